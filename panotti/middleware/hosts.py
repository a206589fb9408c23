"""The names that this server answers to."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from panotti.middleware.headers import values
from panotti.problems import send_problem


def host_name(scope: Scope) -> str | None:
    """The name in the Host header, lower case and without its port; None unless there is exactly one."""
    given = values(scope, b"host")
    if len(given) != 1:
        return None
    text = given[0].decode("latin-1").lower()
    name, bracket, _ = text.partition("]")
    return name + bracket if bracket else text.partition(":")[0]


class HostsMiddleware:
    """Refuses a request for another name with 421 (RFC 9110 15.5.20) and one for no single name with 400.

    Without a list every name is served.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.hosts:
            await self.app(scope, receive, send)
            return
        name = host_name(scope)
        if name is None:
            await send_problem(send, scope, 400, "Bad Request", "exactly one Host header is needed")
        elif name not in self.hosts:
            await send_problem(send, scope, 421, "Misdirected Request", "this server does not have that name")
        else:
            await self.app(scope, receive, send)
