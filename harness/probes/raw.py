"""Raw bytes over TCP or TLS, at a pace of the check's own: slow headers, endless bodies, broken messages."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Unpack

from harness.evidence import record, waited
from harness.probes.message import Parts, compose
from harness.probes.peer import Base, Via, find_peer
from harness.probes.reply import Headers, Reply
from harness.probes.wire import Wire
from harness.records import Observation
from harness.redaction import VAULT
from harness.runtimes import Deployment

_SHOWN = 600  # bytes of each direction that evidence keeps


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RawReply(Reply):
    """An answer to raw bytes. status 0: none. received: all bytes that came; sent: how many went out;
    closed: the server ended the connection."""

    received: bytes = b""
    sent: int = 0
    closed: bool = False


class RawProbe:
    """Opens raw connections to one deployment."""

    def __init__(self, deployment: Deployment, *, auth_header: str = "X-API-Key") -> None:
        self._deployment = deployment
        self._auth_header = auth_header

    def __call__(
        self,
        parts: bytes | Iterable[bytes | float],
        *,
        via: Via | None = None,
        base: Base = "tls",
        timeout_s: float = 10.0,
        verify: bool = True,
        method: str = "GET",
        handshake: bool = True,
    ) -> RawReply:
        """Send `parts` on a new connection and return what came back.

        A number among the parts is a pause in seconds, and makes the whole call a wait that the control
        demands.
        Sending stops as soon as the server answers or closes; parts may therefore be endless. timeout_s:
        for the
        answer, after the last part. elapsed_s of the answer counts from the first byte.
        handshake: False sends the parts themselves where a TLS listener waits for the client's hello.
        """
        peer = find_peer(self._deployment, base, via)
        if not handshake:
            peer = replace(peer, tls=False)
        started = began = time.perf_counter()
        pace = _Pace()
        try:
            with Wire(peer, timeout_s=timeout_s, verify=verify) as wire:
                began = time.perf_counter()
                for part in [parts] if isinstance(parts, bytes) else parts:
                    if not pace.give(wire, part, timeout_s):
                        break
                answer = wire.read(timeout_s=timeout_s, method=method)
                if not wire.closed:
                    wire.wait_closed(0)
                reply = _reply(answer, wire, time.perf_counter() - began)
        except OSError as cause:
            reply = RawReply(
                status=0,
                elapsed_s=time.perf_counter() - began,
                error=f"{type(cause).__name__}: {cause}",
                closed=True,
            )
        waited("demanded" if pace.paused else "target", started, time.perf_counter())
        _record(peer.url, pace, reply)
        return reply

    def open(
        self, *, via: Via | None = None, base: Base = "tls", timeout_s: float = 5.0, verify: bool = True
    ) -> Wire:
        """Return an open connection for the check to drive. Raises OSError when it is not taken."""
        return Wire(find_peer(self._deployment, base, via), timeout_s=timeout_s, verify=verify)

    def message(self, method: str, path: str, *, base: Base = "tls", **parts: Unpack[Parts]) -> bytes:
        """Return the bytes of a request, to be sent whole or in pieces."""
        request = compose(method, path, auth_header=self._auth_header, **parts)
        return request.encode(find_peer(self._deployment, base).authority)


class _Pace:
    """Gives the parts out, and remembers how they began."""

    def __init__(self) -> None:
        self.paused = False
        self.head = b""

    def give(self, wire: Wire, part: bytes | float, timeout_s: float) -> bool:
        """Return whether the server still listens."""
        if isinstance(part, bytes):
            self.head += part[: _SHOWN - len(self.head)]
            return wire.send(part, timeout_s=timeout_s) == len(part) and not wire.closed
        self.paused = True
        return not wire.wait_answer(part)


def _reply(answer: Reply, wire: Wire, elapsed_s: float) -> RawReply:
    return RawReply(
        status=answer.status,
        headers=answer.headers if answer else Headers(),
        body=answer.body,
        elapsed_s=elapsed_s,
        error=answer.error,
        received=bytes(wire.received),
        sent=wire.sent,
        closed=wire.closed,
    )


def _record(url: str, pace: _Pace, reply: RawReply) -> None:
    record(
        Observation(
            subject=f"raw bytes to {url}",
            data={
                "sent": VAULT.message(pace.head.decode("utf-8", "backslashreplace")),
                "sent_bytes": reply.sent,
                "paced": pace.paused,
                "status": reply.status,
                "received": VAULT.message(reply.received[:_SHOWN].decode("utf-8", "backslashreplace")),
                "closed": reply.closed,
                "elapsed_s": round(reply.elapsed_s, 3),
                "error": reply.error,
            },
        )
    )
