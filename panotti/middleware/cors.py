"""Cross-origin requests (Fetch standard): exact origins, on every answer, with the right Vary."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panotti.middleware.headers import append, values
from panotti.problems import Header, send_problem

ANY = "*"
PREFLIGHT_VARY = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """What CorsMiddleware has decided of a preflight; `refusal`: why it is refused, None if it is not."""

    refusal: str | None
    headers: tuple[Header, ...]


class CorsMiddleware:
    """Decides preflights and marks every answer.

    Origins, methods and header names are compared whole; `*` among them allows any. It stands outside of what
    refuses requests, so that a page can read a refusal; PreflightMiddleware, inside, answers the preflights.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Iterable[str],
        methods: Iterable[str],
        headers: Iterable[str],
        expose_headers: Iterable[str] = (),
        max_age: int = 600,
        credentials: bool = False,
    ) -> None:
        self.app = app
        self.origins = frozenset(origin.encode("ascii") for origin in origins)
        self.any_origin = ANY.encode() in self.origins
        allowed, names = tuple(methods), tuple(headers)
        self.methods = frozenset(method.encode("ascii") for method in allowed)
        self.headers = frozenset(name.lower().encode("ascii") for name in names)
        grant = ((b"access-control-allow-credentials", b"true"),) if credentials else ()
        self.preflight_headers: tuple[Header, ...] = (
            (b"access-control-allow-methods", ", ".join(allowed).encode("ascii")),
            (b"access-control-allow-headers", ", ".join(names).encode("ascii")),
            (b"access-control-max-age", b"%d" % max_age),
            *grant,
        )
        exposed = ", ".join(expose_headers).encode("ascii")
        self.actual_headers: tuple[Header, ...] = (
            *(((b"access-control-expose-headers", exposed),) if exposed else ()),
            *grant,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        origin = values(scope, b"origin")
        granted = self._grant(origin)
        vary, fields = b"Origin", self.actual_headers
        asked = values(scope, b"access-control-request-method") if scope["method"] == "OPTIONS" else []
        if origin and asked:
            vary, fields = PREFLIGHT_VARY, ()
            scope["state"]["preflight"] = Preflight(
                refusal=self._refusal(scope, asked, granted), headers=self.preflight_headers
            )

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                append(headers, b"vary", vary)
                if granted:
                    headers += (*granted, *fields)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, marked)

    def _grant(self, origin: list[bytes]) -> tuple[Header, ...]:
        # More than one Origin is no origin: a browser sends one.
        if len(origin) != 1:
            return ()
        if self.any_origin:
            return ((b"access-control-allow-origin", b"*"),)
        if origin[0] in self.origins:
            return ((b"access-control-allow-origin", origin[0]),)
        return ()

    def _refusal(self, scope: Scope, asked: list[bytes], granted: tuple[Header, ...]) -> str | None:
        if not granted:
            return "the origin is not allowed"
        if asked[0] not in self.methods and ANY.encode() not in self.methods:
            return "the method is not allowed"
        named = b",".join(values(scope, b"access-control-request-headers")).lower().split(b",")
        wanted = {name.strip() for name in named} - {b""}
        if wanted - self.headers and ANY.encode() not in self.headers:
            return "a header is not allowed"
        return None


class PreflightMiddleware:
    """Answers a preflight, with 403 where it asks for something not listed.

    It stands inside of the limits and the lists of hosts and addresses, and outside of the authentication:
    a preflight is a request of its client like any other, but never carries a credential (Fetch standard).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        preflight = scope["state"].get("preflight") if scope["type"] == "http" else None
        if preflight is None:
            await self.app(scope, receive, send)
        elif preflight.refusal:
            await send_problem(send, scope, 403, "Cross-origin request refused", preflight.refusal)
        else:
            await send({"type": "http.response.start", "status": 204, "headers": preflight.headers})
            await send({"type": "http.response.body", "body": b""})
