"""Sends the campaign's requests one after the other: within the quotas, judged, and counted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from harness.fuzz.message import Message
from harness.fuzz.oracles import Complaint, Judge
from harness.fuzz.order import Caller, Order
from harness.fuzz.records import Phase
from harness.probes.message import compose
from harness.probes.peer import Peer
from harness.probes.reply import Reply
from harness.probes.wire import Line

_ANSWER_S: Final = 10.0
_PAUSE_S: Final = 1.0  # after 429 without Retry-After


class OutOfTime(Exception):
    """The budget is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request as it was sent, and what became of it."""

    message: Message
    caller: Caller
    phase: Phase
    reply: Reply
    complaints: tuple[Complaint, ...]


@dataclass(slots=True)
class _Window:
    """Room for `most` requests in `window_s`."""

    most: int
    window_s: float
    sent: deque[float] = field(default_factory=deque)

    def free_at(self, now: float) -> float:
        """The `time.monotonic()` second from which another one may go."""
        while self.sent and self.sent[0] <= now - self.window_s:
            self.sent.popleft()
        return now if len(self.sent) < self.most else self.sent[0] + self.window_s


class Sender:
    """One connection, used again and again. listener: is told of every case.

    Raises `OutOfTime` from `send` once the time given to `until` is over.
    """

    def __init__(self, order: Order, peer: Peer, judge: Judge, listener: Callable[[Case], None]) -> None:
        self._order = order
        self._peer = peer
        self._judge = judge
        self._listener = listener
        self._line = Line(peer, timeout_s=_ANSWER_S)
        self._all = _Window(order.per_address, order.window_s)
        self._accounts: dict[str, _Window] = {}
        self._paused: dict[str, float] = {}
        self._end = float("inf")

    def until(self, end: float) -> None:
        """Send nothing after this `time.monotonic()` second."""
        self._end = end

    def send(self, message: Message, caller: Caller, phase: Phase) -> Case:
        """Send a request, wait for its answer, and judge it."""
        self._wait(caller.account)
        own = {name.lower() for name, _ in caller.fields}
        given = tuple((name, value) for name, value in message.fields if name.lower() not in own)
        request = compose(
            message.method,
            f"{self._order.base_path}{message.target}",
            headers=[*caller.fields, *given],
            content=message.content,
        ).encode(self._peer.authority)
        reply = self._ask(request, message.method)
        if reply.status == 429:
            after = reply.headers.get("retry-after")
            self._paused[caller.account] = time.monotonic() + (
                float(after) if after.isdecimal() else _PAUSE_S
            )
        complaints = self._judge.complaints(message, reply)
        case = Case(message=message, caller=caller, phase=phase, reply=reply, complaints=complaints)
        self._listener(case)
        return case

    def free(self, caller: Caller) -> bool:
        """Whether a caller's request would go out at once."""
        now = time.monotonic()
        return self._window(caller.account).free_at(now) <= now and self._paused.get(caller.account, 0) <= now

    def close(self) -> None:
        """End the connection."""
        self._line.close()

    def _ask(self, request: bytes, method: str) -> Reply:
        """Send it, a second time where the kept connection was already ended by the server."""
        kept = self._line.connected
        reply = self._line.ask(request, method=method)
        if reply.status == 0:
            self._line.close()
            if kept:
                reply = self._line.ask(request, method=method)
        return reply

    def _wait(self, account: str) -> None:
        now = time.monotonic()
        own = self._window(account)
        at = max(self._all.free_at(now), own.free_at(now), self._paused.get(account, 0.0))
        if max(at, now) >= self._end:
            raise OutOfTime
        if at > now:
            time.sleep(at - now)
        sent = time.monotonic()
        self._all.sent.append(sent)
        own.sent.append(sent)

    def _window(self, account: str) -> _Window:
        most = self._order.per_key if account else self._order.per_address
        return self._accounts.setdefault(account, _Window(most, self._order.window_s))
