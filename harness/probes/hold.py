"""Requests in flight for as long as a check wants: their heads are sent, their bodies are held back."""

from __future__ import annotations

import json as jsonlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from harness.evidence import record, waited, waiting_for_target
from harness.probes.exchange import record_exchange
from harness.probes.message import Parts, Request, compose
from harness.probes.peer import Base, Peer, find_peer
from harness.probes.reply import Reply
from harness.probes.wire import Wire
from harness.records import Observation
from harness.runtimes import Deployment

# RFC 9110 10.1.1: the server asks for the body when it is going to read it, so the request is then in flight.
_EXPECT: Final = ("Expect", "100-continue")


class HeldRequest:
    """One request. begun: the server asked for its body. refusal: what it answered instead, None so far."""

    def __init__(self, peer: Peer, request: Request, wire: Wire) -> None:
        self._peer = peer
        self._request = request
        self._wire = wire
        self._head, end, self._body = request.encode(peer.authority).partition(b"\r\n\r\n")
        self._head += end
        self.begun = False
        self.refusal: Reply | None = None

    @property
    def answered(self) -> bool:
        """Whether the server has answered meanwhile, or hung up: it is then no longer in flight."""
        return self._wire.wait_answer(0)

    def begin(self) -> None:
        """Send the head."""
        self._wire.send(self._head)

    def settle(self, timeout_s: float) -> None:
        """Wait until it is begun or refused."""
        self.begun = self._wire.wait_continue(timeout_s) and self._wire.answer() is None
        if not self.begun and self._wire.wait_answer(0):
            self.refusal = self._take(0)

    def finish(self, *, timeout_s: float = 10.0) -> Reply:
        """Send the body and return the answer."""
        with waiting_for_target():
            self._wire.send(self._body, timeout_s=timeout_s)
            return self._take(timeout_s)

    def _take(self, timeout_s: float) -> Reply:
        reply = self._wire.read(timeout_s=timeout_s, method=self._request.method)
        record_exchange(self._peer, self._request, reply)
        return reply


class HoldProbe:
    """Holds requests to one deployment."""

    def __init__(self, deployment: Deployment, *, auth_header: str = "X-API-Key") -> None:
        self._deployment = deployment
        self._auth_header = auth_header

    @contextmanager
    def __call__(
        self,
        path: str,
        *,
        each: Callable[[int], Parts],
        n: int = 1,
        timeout_s: float = 5.0,
        base: Base = "tls",
    ) -> Iterator[tuple[HeldRequest, ...]]:
        """Yield `n` POST requests, sent one after another as far as their heads go, each begun or refused.

        each: the parts of the i-th (a key, a JSON body). timeout_s: for all of them to be begun or refused
        after the last head was sent.
        Raises OSError when a connection is not taken.
        """
        peer = find_peer(self._deployment, base)
        started = time.perf_counter()
        with ExitStack() as wires:
            held = tuple(
                HeldRequest(peer, self._request(path, each(i)), wires.enter_context(Wire(peer)))
                for i in range(n)
            )
            for request in held:  # once all are connected: a server may limit the time that a body takes
                request.begin()
            deadline = time.perf_counter() + timeout_s
            for request in held:
                request.settle(max(deadline - time.perf_counter(), 0))
            waited("target", started, time.perf_counter())
            _record(path, held)
            yield held

    def _request(self, path: str, parts: Parts) -> Request:
        body = jsonlib.dumps(parts.get("json")).encode()
        fields = [_EXPECT, ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        key = parts.get("key")
        return compose("POST", path, auth_header=self._auth_header, key=key, headers=fields, content=body)


def _record(path: str, held: tuple[HeldRequest, ...]) -> None:
    refusals = Counter(str(request.refusal.status) for request in held if request.refusal is not None)
    record(
        Observation(
            subject=f"{len(held)} requests to {path} held back after their heads",
            data={"in_flight": sum(request.begun for request in held), "refused": {**refusals}},
        )
    )
