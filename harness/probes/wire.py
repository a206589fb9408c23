"""One connection, driven byte by byte: what an ordinary client would never send, or not at that pace."""

from __future__ import annotations

import select
import socket
import ssl
import time
from types import TracebackType
from typing import Final, Self

from harness.probes.message import parse
from harness.probes.peer import Peer
from harness.probes.reply import Reply

_SLICE: Final = 16384  # one TLS record, so that an early answer is seen between two writes


def connect(peer: Peer, *, timeout_s: float, context: ssl.SSLContext | None = None) -> socket.socket:
    """Return a connected socket, over TLS where the peer speaks it. Raises OSError."""
    plain = socket.create_connection((peer.host, peer.port), timeout=timeout_s)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not peer.tls:
        return plain
    try:
        return (context or peer.context()).wrap_socket(plain, server_hostname=peer.name)
    except BaseException:
        plain.close()
        raise


class Wire:
    """A connection that sends what it is told and keeps what comes back. A context manager.

    received: every byte that came. closed: the peer has ended the connection. error: how, if not in order.
    """

    def __init__(self, peer: Peer, *, timeout_s: float = 5.0, verify: bool = True) -> None:
        """Connect. Raises OSError when the peer does not take the connection."""
        self._socket = connect(peer, timeout_s=timeout_s, context=peer.context(verify=verify))
        self._socket.setblocking(False)
        self._read = 0  # bytes of `received` that earlier answers took
        self.received = bytearray()
        self.sent = 0
        self.closed = False
        self.error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes, *, timeout_s: float = 5.0) -> int:
        """Send `data`, or as much as goes before the peer answers, closes, or `timeout_s` is over; return
        how much."""
        deadline = time.monotonic() + timeout_s
        rest = memoryview(data)
        while rest and not self.closed:
            self._receive()
            if self.answer() is not None:
                break
            written = self._write(rest[:_SLICE])
            rest = rest[written:]
            self.sent += written
            left = deadline - time.monotonic()
            if left <= 0 or (not written and not self._ready(left, writing=True)):
                break
        return len(data) - len(rest)

    def answer(self, method: str = "GET") -> Reply | None:
        """Return the next whole answer among the bytes received so far, None while there is none."""
        found = parse(self.received[self._read :], method=method, ended=self.closed)
        return found[0] if found else None

    def read(self, *, timeout_s: float = 5.0, method: str = "GET") -> Reply:
        """Wait for the next whole answer and take it. Status 0 with a reason: none came before the end or
        in time."""
        started = time.perf_counter()
        deadline = time.monotonic() + timeout_s
        while True:
            self._receive()
            found = parse(self.received[self._read :], method=method, ended=self.closed)
            elapsed_s = time.perf_counter() - started
            if found is not None:
                self._read += found[1]
                reply = found[0]
                return Reply(status=reply.status, headers=reply.headers, body=reply.body, elapsed_s=elapsed_s)
            if self.closed:
                return Reply(status=0, elapsed_s=elapsed_s, error=self.error or "closed without an answer")
            if not self._ready(deadline - time.monotonic()):
                return Reply(status=0, elapsed_s=elapsed_s, error=f"no answer within {timeout_s:g} s")

    def wait_closed(self, timeout_s: float) -> bool:
        """Wait for the peer to end the connection; return whether it did."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._receive()
            if self.closed:
                return True
            if not self._ready(deadline - time.monotonic()):
                return False

    def wait_answer(self, timeout_s: float) -> bool:
        """Wait until an answer is there or the connection ended; return whether either came. It is not
        taken."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._receive()
            if self.closed or self.answer() is not None:
                return True
            if not self._ready(deadline - time.monotonic()):
                return False

    def wait_continue(self, timeout_s: float) -> bool:
        """Wait until the peer asks for the body (100 Continue), answers or ends; return whether it asked."""
        deadline = time.monotonic() + timeout_s
        while True:
            self._receive()
            if self.received.startswith((b"HTTP/1.1 100", b"HTTP/1.0 100"), self._read):
                return True
            if self.closed or self.answer() is not None or not self._ready(deadline - time.monotonic()):
                return False

    def end_sending(self) -> None:
        """Half-close: nothing more will be sent (plain connections only; TLS has no half-close in
        practice)."""
        if not isinstance(self._socket, ssl.SSLSocket):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _receive(self) -> None:
        while not self.closed:
            try:
                data = self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError as cause:
                self._ended(f"{type(cause).__name__}: {cause}")
                return
            if not data:
                self._ended("")
            self.received += data

    def _write(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError as cause:
            self._receive()  # what the peer said before it closed is still there to read
            self._ended(f"{type(cause).__name__}: {cause}")
            return 0

    def _ended(self, error: str) -> None:
        self.closed = True
        self.error = self.error or error

    def _ready(self, timeout_s: float, *, writing: bool = False) -> bool:
        watched = [self._socket]
        return any(select.select(watched, watched if writing else [], [], max(timeout_s, 0)))


class Line:
    """A fast keep-alive client for many small requests: one at a time, each answer whole before the next."""

    def __init__(self, peer: Peer, *, timeout_s: float = 10.0) -> None:
        self._peer = peer
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    @property
    def connected(self) -> bool:
        """Whether the next request goes over the connection of the one before."""
        return self._socket is not None

    def ask(self, request: bytes, *, method: str = "GET") -> Reply:
        """Send a request and return its answer. Status 0: none came; nothing is sent twice."""
        started = time.perf_counter()
        try:
            if self._socket is None:
                self._socket = connect(self._peer, timeout_s=self._timeout_s)
            started = time.perf_counter()
            self._socket.sendall(request)
            reply = self._answer(self._socket, method)
        except OSError as cause:
            self.close()
            elapsed_s = time.perf_counter() - started
            return Reply(status=0, elapsed_s=elapsed_s, error=f"{type(cause).__name__}: {cause}")
        elapsed_s = time.perf_counter() - started
        if "close" in reply.headers.members("connection"):
            self.close()
        return Reply(status=reply.status, headers=reply.headers, body=reply.body, elapsed_s=elapsed_s)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, connected: socket.socket, method: str) -> Reply:
        data = b""
        while True:
            more = connected.recv(65536)
            data += more
            found = parse(data, method=method, ended=not more)
            if found is not None:
                if not more:
                    self.close()
                return found[0]
            if not more:
                raise ConnectionError("closed without an answer")
