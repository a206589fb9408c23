"""An answer as a check reads it: odd answers give empty values, never an exception that would look like a
broken check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson


class Headers:
    """Header fields of one answer: names in any case, repeated fields kept apart."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_list(name))

    def __getitem__(self, name: str) -> str:
        if name not in self:
            raise AssertionError(f"the answer carries no header {name!r}")
        return self.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self._fields))

    def __repr__(self) -> str:
        return f"Headers({list(self._fields)!r})"

    def get(self, name: str, default: str = "") -> str:
        """Return a field's value, repeated ones joined by commas (RFC 9110 5.3); `default` if it is not
        there."""
        found = self.get_list(name)
        return ", ".join(found) if found else default

    def get_list(self, name: str) -> list[str]:
        """Return every value of a field, in order."""
        wanted = name.lower()
        return [value for key, value in self._fields if key.lower() == wanted]

    def members(self, name: str) -> set[str]:
        """Return the members of a comma-separated field, in lower case: `"origin" in
        headers.members("vary")`."""
        return {item.strip().lower() for item in self.get(name).split(",") if item.strip()}

    def items(self) -> tuple[tuple[str, str], ...]:
        """Return all fields as they came."""
        return self._fields


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reply:
    """One answer. status 0: none came, and `error` says why. elapsed_s: from the request's first byte to
    its last."""

    status: int
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    elapsed_s: float = 0.0
    error: str = ""

    def __bool__(self) -> bool:
        return self.status > 0

    def __repr__(self) -> str:
        # It ends up in the messages of failed checks, which must read the same on another day.
        return f"<{self.status or self.error}, {self.media_type or 'no body'}>"

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def decided(self) -> bool:
        """Whether the request itself was judged: answered, and by more than "not now" (408, 429, 503)."""
        return self.status not in (0, 408, 429, 503)

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """Return the body as JSON; None when it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def field(self, *path: str | int) -> Any:
        """Return what stands at `path` in the JSON body, None when there is nothing: `field("detail", 0,
        "loc")`."""
        value = self.json()
        for step in path:
            match value, step:
                case dict(), str():
                    value = value.get(step)
                case list(), int() if -len(value) <= step < len(value):
                    value = value[step]
                case _:
                    return None
        return value

    def string(self, *path: str | int) -> str:
        """Return the string at `path` in the JSON body, "" when there is none."""
        value = self.field(*path)
        return value if isinstance(value, str) else ""
