"""One connection: uvicorn's HTTP/1.1 with limits on a request's head and trailers."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from panotti.middleware.context import log_request
from panotti.middleware.security_headers import security_headers
from panotti.problems import problem

# A client may still be sending when it has its answer, as with 413: hanging up at once would reset the
# connection and lose the answer (RFC 9112 9.6).
LINGER = 2.0
# What a client has sent before it could know of the shutdown is still in the socket.
LAST_WORDS = 0.25
MAX_HEADER_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """`header_timeout` in seconds from the connection or a request's first byte to the end of its headers."""

    header_timeout: float
    max_header_bytes: int


class GuardedProtocol(HttpToolsProtocol):
    """Refuses with a problem document what cannot become a request; never names the server's software."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        guard: Guard,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.guard = guard
        self.in_head = True
        self.head_bytes = 0  # since the last piece of a body
        self.head_started = 0.0
        self.head_timer: asyncio.TimerHandle | None = None
        self.linger_timer: asyncio.TimerHandle | None = None
        self.leaving = False
        self.refusal = (400, "Bad Request", "this is not a well-formed HTTP/1.1 request")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self.head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.head_bytes > self.guard.max_header_bytes:
            self.send_refusal(431, "Request Header Fields Too Large", self._size_detail())
        elif self.in_head and self.head_bytes and self.head_timer is None:
            self._arm_head_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.head_started = perf_counter()
        # A pipelined request begins in the middle of data that was counted for the one before.
        self.head_bytes = self.head_bytes or 1

    def on_header(self, name: bytes, value: bytes) -> None:
        # RFC 9110 6.5.1: a trailer must not be merged into the headers unless their definition allows it.
        # It comes after a proxy has set its own headers, and no route reads one: all are dropped.
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.head_bytes > self.guard.max_header_bytes or len(self.headers) > MAX_HEADER_LINES:
            self._measure_head()
        super().on_headers_complete()
        self.in_head = False
        self.head_bytes = 0
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None
        self.scope["state"]["connection"] = self.cycle
        if self.leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        # What comes without being body is a chunk's extension or a trailer, and limited as a head is.
        self.head_bytes = 0

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.in_head = True
        self.head_bytes = 0
        if self.linger_timer is not None:
            self.linger_timer.cancel()
            self.linger_timer = None
            # uvicorn's own timer ended when the rest of the body came in.
            self._keep_alive()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self.linger_timer = self.loop.call_later(LINGER, self.transport.close)

    def shutdown(self) -> None:
        """Stop after the request in hand, or after the one that may be on its way."""
        self.leaving = True
        if self._busy():
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LAST_WORDS, self._close_if_idle)

    def send_400_response(self, msg: str) -> None:
        del msg
        self.send_refusal(*self.refusal)

    def send_refusal(self, status: int, title: str, detail: str) -> None:
        """Answer what never became a request, log it, and close."""
        if self._busy():
            self._refuse_in_request(status, title, detail)
            return
        if not self.in_head:
            # The request has its answer already, and another would be taken for the next one's.
            self.transport.close()
            return
        request_id = os.urandom(16).hex()
        size = self._write_problem(status, title, detail, request_id)
        log_request(
            request_id=request_id,
            method=None,
            route=None,
            status=status,
            started=self.head_started or perf_counter(),
            client=self.client[0] if self.client else "",
            size=size,
        )

    def _refuse_in_request(self, status: int, title: str, detail: str) -> None:
        if self.cycle.more_body and not self.cycle.response_started:
            state = self.cycle.scope["state"]
            state["refused"] = status
            self._write_problem(status, title, detail, state.get("request_id") or os.urandom(16).hex())
        else:
            # The bad bytes follow a good request, whose answer comes first; nothing after it is read.
            self.cycle.keep_alive = False
            self.flow.pause_reading()

    def _write_problem(self, status: int, title: str, detail: str, request_id: str) -> int:
        headers, body = problem(status, title, detail, request_id=request_id)
        headers += security_headers(secure=self.scheme == "https")
        headers += [(b"x-request-id", request_id.encode("ascii")), (b"connection", b"close")]
        fields = [*self.server_state.default_headers, *headers]
        head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()
        return len(body)

    def _measure_head(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.guard.max_header_bytes or len(self.headers) > MAX_HEADER_LINES:
            self.refusal = (431, "Request Header Fields Too Large", self._size_detail())
            # The parser hands this on as its own error, and uvicorn then asks for the refusal.
            raise ValueError(self.refusal[1])

    def _size_detail(self) -> str:
        return f"at most {self.guard.max_header_bytes} bytes and {MAX_HEADER_LINES} lines of headers are read"

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _arm_head_timer(self) -> None:
        self.head_timer = self.loop.call_later(self.guard.header_timeout, self._head_late)

    def _head_late(self) -> None:
        self.head_timer = None
        if self.transport.is_closing():
            return
        if self._busy():
            self._arm_head_timer()
        elif self.head_bytes:
            detail = f"the headers did not arrive within {self.guard.header_timeout:g} seconds"
            self.send_refusal(408, "Request Timeout", detail)
        else:
            self.transport.close()

    def _keep_alive(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _close_if_idle(self) -> None:
        if not self._busy():
            self.transport.close()

    def _disarm(self) -> None:
        for timer in (self.head_timer, self.linger_timer):
            if timer is not None:
                timer.cancel()
        self.head_timer = self.linger_timer = None
