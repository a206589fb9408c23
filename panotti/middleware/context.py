"""The request's id and its one line in the log, around everything else."""

from __future__ import annotations

import logging
import os
import re
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panotti import logs
from panotti.middleware.headers import values

WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
# nginx's number for "the client closed the request"; no status was sent.
CUT_OFF = 499


def request_id(scope: Scope) -> str:
    """The caller's id if there is exactly one and it is well formed, else a new one of 128 random bits."""
    given = values(scope, b"x-request-id")
    if len(given) == 1 and WELL_FORMED_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return os.urandom(16).hex()


def log_request(
    *,
    request_id: str,
    method: str | None,
    route: str | None,
    status: int,
    started: float,
    client: str,
    principal: str | None = None,
    size: int = 0,
    slow_ms: float | None = None,
) -> None:
    """Write the `request` line; `started` is a reading of perf_counter, `size` the body's bytes."""
    duration = round((perf_counter() - started) * 1000, 3)
    logs.write_request(
        logging.ERROR if status >= 500 else logging.INFO,
        request_id=request_id,
        method=method,
        route=route,
        status=status,
        duration_ms=duration,
        client=client,
        principal=principal,
        bytes=size,
        slow=slow_ms is not None and duration >= slow_ms,
        worker=os.getpid(),
    )


class ContextMiddleware:
    """Gives the request its id and state, returns the id, and logs the request once, cut off or not."""

    def __init__(self, app: ASGIApp, *, slow_request_ms: float) -> None:
        self.app = app
        self.slow_ms = slow_request_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(scope, receive, send)
        try:
            await self.app(scope, answer.receive, answer.send)
        finally:
            state = scope["state"]
            principal = state["principal"]
            log_request(
                request_id=state["request_id"],
                method=scope["method"],
                route=state["route"],
                status=answer.final_status(),
                started=answer.began,
                client=state["client"],
                principal=None if principal is None else principal.id,
                size=answer.size,
                slow_ms=self.slow_ms,
            )


class _Answer:
    """What was answered, as the client's side of the connection saw it."""

    __slots__ = ("_receive", "_scope", "_send", "began", "complete", "disconnected", "size", "status")

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began = perf_counter()
        self.status = 0
        self.size = 0
        self.complete = False
        self.disconnected = False
        self._scope = scope
        self._receive = receive
        self._send = send
        state = scope.setdefault("state", {})
        state["request_id"] = request_id(scope)
        state["client"] = scope["client"][0] if scope.get("client") else ""
        state["principal"] = None
        state["route"] = None
        logs.request_id.set(state["request_id"])

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.complete:
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            identity = (b"x-request-id", self._scope["state"]["request_id"].encode("ascii"))
            message["headers"] = [*message.get("headers", ()), identity]
        else:
            self.size += len(message.get("body", b""))
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True

    def final_status(self) -> int:
        """The status that the client got; 499 if it had gone, 500 if the server broke off."""
        state = self._scope["state"]
        connection = state.get("connection")
        if "refused" in state:
            refused: int = state["refused"]
            return refused
        # uvicorn takes what is sent to a closed connection without a word.
        if connection.disconnected if connection is not None else self.disconnected:
            return CUT_OFF
        return self.status if self.complete else 500
