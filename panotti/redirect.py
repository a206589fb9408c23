"""The plain listener: it only sends callers to the same path over TLS."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from panotti.middleware.context import ContextMiddleware
from panotti.middleware.errors import ErrorsMiddleware
from panotti.middleware.hosts import HostsMiddleware, host_name
from panotti.middleware.security_headers import SecurityHeadersMiddleware
from panotti.problems import send_problem

HTTPS_PORT = 443


class Redirect:
    """Answers 308, which keeps the method and the body, to https://<host>:<port> and the same target."""

    def __init__(self, *, port: int) -> None:
        self.suffix = "" if port == HTTPS_PORT else f":{port}"

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        name = host_name(scope)
        if not name:
            await send_problem(send, scope, 400, "Bad Request", "exactly one Host header is needed")
            return
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        location = f"https://{name}{self.suffix}".encode("latin-1") + scope["raw_path"] + query
        headers = [(b"location", location), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 308, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def build_redirect(*, port: int, hosts: Iterable[str], slow_request_ms: float) -> ASGIApp:
    """The redirecting application, which answers for `hosts` only, logs, and has the security headers."""
    app: ASGIApp = HostsMiddleware(Redirect(port=port), hosts=hosts)
    app = SecurityHeadersMiddleware(ErrorsMiddleware(app))
    return ContextMiddleware(app, slow_request_ms=slow_request_ms)
