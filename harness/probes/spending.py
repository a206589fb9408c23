"""What does one of two requests cost the server's processor more than the other? By the server's own clock.

The server must tell its processor time in every answer; a deployment is rigged to do so.
"""

from __future__ import annotations

import itertools
import random
import statistics
from dataclasses import dataclass
from typing import Final

from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.probes.message import Request
from harness.probes.paired import Effect, judge_pairs
from harness.probes.peer import find_peer
from harness.probes.wire import Line
from harness.records import Measurement
from harness.runtimes import Deployment

_WARM_UP: Final = 50
_PAIRS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Nanoseconds of processor time. extra: what the dear request costs over the cheap one."""

    extra: Effect
    whole: float

    @property
    def share(self) -> float:
        """The part of the dear request's cost that the cheap one does not have."""
        return self.extra.mean / self.whole

    @property
    def interval(self) -> tuple[float, float]:
        """The 99 % interval of `share`."""
        low, high = self.extra.interval
        return low / self.whole, high / self.whole


def spending(
    deployment: Deployment, cheap: Request, dear: Request, *, pairs: int = _PAIRS, field: str = "cpu_ns"
) -> Spending:
    """Compare the two in pairs of random order on one connection to one replica, and so in one process.

    field: where in its JSON an answer says what the process has used so far, in ns. What a request costs is
    the difference to the next answer's, so that work done after the answer counts too. Raises NotVerified
    when an answer does not say it, or when it is not one process that answers.
    """
    peer = find_peer(deployment, "replica")
    line = Line(peer)
    wire = (cheap.encode(peer.authority), dear.encode(peer.authority))
    dice = random.Random()  # noqa: S311 - the order of samples
    order = [which for _ in range(pairs) for which in _either(dice)]
    try:
        with waiting_for_target():
            for _ in range(_WARM_UP):
                line.ask(wire[0])
            clock = [_clock(line, wire[which], field) for which in (*order, 0)]
    finally:
        line.close()
    costs = [after - before for before, after in itertools.pairwise(clock)]
    if min(costs) < 0:
        raise NotVerified("several processes answer on one connection: their clocks cannot be compared")
    return _judged(order, costs)


def _either(dice: random.Random) -> tuple[int, int]:
    return (0, 1) if dice.random() < 0.5 else (1, 0)


def _clock(line: Line, request: bytes, field: str) -> int:
    reply = line.ask(request)
    value = reply.field(field)
    if not isinstance(value, int):
        raise NotVerified(f"the answer ({reply.status or reply.error}) does not tell the processor time used")
    return value


def _judged(order: list[int], costs: list[int]) -> Spending:
    pairs = range(0, len(order), 2)
    differences = [float(costs[at + order[at + 1]] - costs[at + order[at]]) for at in pairs]
    whole = statistics.median(cost for which, cost in zip(order, costs, strict=True) if which)
    found = Spending(extra=judge_pairs(differences), whole=whole)
    low, high = found.interval
    record(
        Measurement(
            name="processor time that one request needs more than the other",
            value=round(found.extra.mean / 1000, 2),
            unit="µs",
            samples=len(differences),
            detail={
                "whole_us": round(whole / 1000, 2),
                "share": round(found.share, 4),
                "share_interval": [round(low, 4), round(high, 4)],
            },
        )
    )
    return found
