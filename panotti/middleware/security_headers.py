"""The headers that tell a browser what it must not do with an answer."""

from __future__ import annotations

from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panotti.problems import Header

# Two years: what Mozilla's profile and the browsers' preload list ask for.
HSTS_MAX_AGE = 63_072_000
API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# FastAPI's documentation pages load their scripts from this content network and start inline.
DOCS_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    b"font-src https://fonts.gstatic.com; img-src data: https://fastapi.tiangolo.com; "
    b"connect-src 'self'; worker-src blob:; frame-ancestors 'none'"
)

COMMON: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def security_headers(*, secure: bool, policy: bytes = API_POLICY) -> tuple[Header, ...]:
    """The headers of an answer; `secure` says that it goes over TLS (RFC 6797 7.2: HSTS nowhere else)."""
    headers = (*COMMON, (b"content-security-policy", policy))
    if not secure:
        return headers
    hsts = b"max-age=%d; includeSubDomains" % HSTS_MAX_AGE
    return (*headers, (b"strict-transport-security", hsts))


class SecurityHeadersMiddleware:
    """Adds the security headers to every answer, over those of the same name."""

    def __init__(self, app: ASGIApp, *, docs_paths: Collection[str] = ()) -> None:
        self.app = app
        self.docs_paths = frozenset(docs_paths)
        self.plain = security_headers(secure=False)
        self.secure = security_headers(secure=True)
        self.names = frozenset(name for name, _ in self.secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", ()) if pair[0] not in self.names]
                message["headers"] = [*kept, *self._headers(scope)]
            await send(message)

        await self.app(scope, receive, with_headers)

    def _headers(self, scope: Scope) -> tuple[Header, ...]:
        secure = scope["scheme"] == "https"
        if scope["path"] in self.docs_paths:
            return security_headers(secure=secure, policy=DOCS_POLICY)
        return self.secure if secure else self.plain
