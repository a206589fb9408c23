"""Where a browser's request comes from, by its Origin header."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Scope


class Origins:
    """The origins that may change state on a browser session: the listed ones and the server's own."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._listed = frozenset(origin.encode() for origin in listed) - {b"*"}

    def allow(self, scope: Scope) -> bool:
        """Whether the request's Origin may change state. Without the header no foreign page has sent it."""
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        if not origins:
            return True
        if len(origins) > 1:
            return False
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        own = scope["scheme"].encode() + b"://" + (hosts[0] if hosts else b"")
        return origins[0] in self._listed or origins[0] == own
