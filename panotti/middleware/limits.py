"""How much at once: the size and time of a body, the number of requests in flight."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panotti.middleware.headers import values
from panotti.middleware.ratelimit import by_address, by_key
from panotti.problems import send_problem

CLOSE = (b"connection", b"close")
RETRY = (b"retry-after", b"1")
ANONYMOUS = "anonymous"


class InFlight:
    """The number of requests that this worker is answering."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class ConcurrencyMiddleware:
    """Answers 503 with Retry-After when `limit` requests are in flight; `exempt` paths are always let in."""

    def __init__(
        self, app: ASGIApp, *, limit: int, exempt: Collection[str] = (), in_flight: InFlight | None = None
    ) -> None:
        self.app = app
        self.limit = limit
        self.exempt = frozenset(exempt)
        self.in_flight = in_flight or InFlight()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.exempt:
            await self.app(scope, receive, send)
            return
        if self.in_flight.count >= self.limit:
            detail = "too many requests are in flight"
            await send_problem(send, scope, 503, "Service Unavailable", detail, [(b"retry-after", b"1")])
            return
        self.in_flight.count += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.in_flight.count -= 1


class ShareMiddleware:
    """Answers 503 with Retry-After when a caller has its share of the `concurrency` requests in flight.

    A key, or the user of a session, may have half of them, and an address without a credential a quarter; all
    without a credential together, a half. So no caller that holds back its body, or asks for what takes long,
    keeps the others from being served. `exempt` paths are always let in, unless the request has a body.
    """

    def __init__(self, app: ASGIApp, *, concurrency: int, exempt: Collection[str] = ()) -> None:
        self.app = app
        self.half = max(1, concurrency // 2)
        self.quarter = max(1, concurrency // 4)
        self.exempt = frozenset(exempt)
        self.held: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["path"] in self.exempt and not _has_body(scope)):
            await self.app(scope, receive, send)
            return
        places = self._places(scope)
        if any(self.held[name] >= most for name, most in places.items()):
            detail = "too many requests of this caller are in flight"
            await send_problem(send, scope, 503, "Service Unavailable", detail, [RETRY])
            return
        for name in places:
            self.held[name] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            for name in places:
                self.held[name] -= 1
                if not self.held[name]:
                    del self.held[name]

    def _places(self, scope: Scope) -> dict[str, int]:
        key = by_key(scope)
        if key is not None:
            return {key: self.half}
        return {by_address(scope): self.quarter, ANONYMOUS: self.half}


class BodyLimitMiddleware:
    """Reads the body, up to `max_bytes` and within `timeout` seconds, before the application starts.

    A body that is announced as too large is refused unread, a chunked one as soon as it is.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        try:
            body = await self._timely(scope, receive)
        except _TooLargeError:
            detail = f"the body is larger than {self.max_bytes} bytes"
            await send_problem(send, scope, 413, "Content Too Large", detail)
        except TimeoutError:
            detail = f"the body did not arrive within {self.timeout:g} seconds"
            await send_problem(send, scope, 408, "Request Timeout", detail, [CLOSE])
        except _GoneError:
            return
        else:
            await self.app(scope, _replay(body, receive), send)

    async def _timely(self, scope: Scope, receive: Receive) -> bytes:
        connection = scope["state"].get("connection")
        if connection is not None and not connection.more_body:
            # It came with the headers, as most do: a timer would be for nothing.
            return await self._read(scope, receive)
        async with asyncio.timeout(self.timeout):
            return await self._read(scope, receive)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        if _announced(scope) > self.max_bytes:
            raise _TooLargeError
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _GoneError
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self.max_bytes:
                raise _TooLargeError
        return body


class _TooLargeError(Exception):
    """The body is over the limit."""


class _GoneError(Exception):
    """The client left before its body was complete."""


def _has_body(scope: Scope) -> bool:
    for name, _ in scope["headers"]:  # noqa: SIM110  a generator costs three times as much
        if name in (b"content-length", b"transfer-encoding"):
            return True
    return False


def _announced(scope: Scope) -> int:
    # The parser has refused anything but digits.
    return max([int(value) for value in values(scope, b"content-length")], default=0)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
