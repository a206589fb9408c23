"""Does the server take longer for one request than for another? Interleaved samples on one connection, a
stated test.

Of every twenty pairs, the second fastest answers are compared: what a busy machine adds to an answer is never
negative, so that the fast ones carry the signal and the slow ones the noise (Crosby, Wallach and Riedi 2009,
"Opportunities and limits of remote timing attacks").
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.probes.message import Request
from harness.probes.paired import ALPHA, POWER, Effect, detectable, judge_pairs, standard_error
from harness.probes.peer import Peer, find_peer
from harness.probes.wire import Line
from harness.records import Measurement
from harness.runtimes import Deployment

_ROUND: Final = 200  # pairs between two looks at the noise
_GROUP: Final = 20  # pairs that give one difference
_RANK: Final = 1  # which of them, from the fastest
_WARM_UP: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingResult:
    """What the comparison came to; seconds. `looked_for_s`: the effect that it was asked to be able to
    see. alpha: the error rate at which it was to be significant."""

    effect: Effect
    pairs: int
    looked_for_s: float
    status: int
    alpha: float = ALPHA

    @property
    def distinguishable(self) -> bool:
        """Whether the two can be told apart: significant at `alpha`, and half of what was looked for.

        An effect of `looked_for_s` is found with more than 97 %: the comparison is only made when half of
        it is more
        than two standard errors.
        """
        return self.effect.p_value <= self.alpha and abs(self.effect.mean) >= self.looked_for_s / 2

    def __str__(self) -> str:
        low, high = (bound * 1e6 for bound in self.effect.interval)
        return (
            f"{self.effect.mean * 1e6:.1f} µs apart [{low:.1f}, {high:.1f}], p = {self.effect.p_value:.4f}, "
            f"{self.pairs} pairs, smallest visible effect {self.effect.detectable * 1e6:.1f} µs"
        )


class TimingProbe:
    """Compares the latency of two requests to one deployment."""

    def __init__(self, deployment: Deployment, *, auth_header: str = "X-API-Key") -> None:
        self._deployment = deployment
        self._auth_header = auth_header

    def compare(
        self,
        a: Request,
        b: Request,
        *,
        looked_for_s: float = 100e-6,
        least: int = 400,
        most: int = 20_000,
        within_s: float = 8.0,
        alpha: float = ALPHA,
        power: float = POWER,
    ) -> TimingResult:
        """Compare `b` with `a`, in pairs of random order, until an effect of `looked_for_s` would be seen.

        Asked is a replica at its own door: what stands before it adds noise and no signal.

        An effect that is seen must be seen again, in a second sample of twice as many pairs. The first one
        ends when it is quiet enough, and gusts of noise that die away make it see effects too often; the
        second has a fixed size, so that no more than `alpha` of false alarms are left.

        Raises NotVerified when `most` pairs or `within_s` seconds do not bring the noise down, or when the
        answers are not all of one status: what is not alike otherwise cannot be compared by its time.
        """
        peer = find_peer(self._deployment, "replica")
        first, second = (_Sampling(peer, a, b, looked_for_s, alpha, power) for _ in range(2))
        with first.running(), waiting_for_target():
            first.take(within_s, lambda: first.pairs >= most or first.quiet(least))
        result = _judge(first)
        if not result.distinguishable:
            return result
        with second.running(), waiting_for_target():
            second.take(3 * within_s, lambda: second.pairs >= 2 * first.pairs)
        return _judge(second)


def _judge(sampling: _Sampling) -> TimingResult:
    if len(sampling.statuses) != 1 or 0 in sampling.statuses:
        statuses = dict(sampling.statuses)
        raise NotVerified(f"the answers were not alike, so their times cannot be compared: {statuses}")
    try:
        effect = judge_pairs(sampling.differences, alpha=sampling.alpha, power=sampling.power)
    except ValueError:
        raise NotVerified(f"timing: {sampling.pairs} pairs in the time there was are too few") from None
    status, looked_for_s = next(iter(sampling.statuses)), sampling.looked_for_s
    result = TimingResult(
        effect=effect, pairs=sampling.pairs, looked_for_s=looked_for_s, status=status, alpha=sampling.alpha
    )
    _record(result, sampling)
    if effect.detectable > looked_for_s:
        raise NotVerified(
            f"too noisy: after {sampling.pairs} pairs an effect under {effect.detectable * 1e6:.0f} µs "
            f"cannot be seen (power {sampling.power:g}, alpha {sampling.alpha:g}); "
            f"{looked_for_s * 1e6:.0f} µs are asked for"
        )
    return result


@dataclass(slots=True)
class _Sampling:
    """The samples while they are taken."""

    peer: Peer
    a: Request
    b: Request
    looked_for_s: float
    alpha: float
    power: float
    pairs: int = 0
    differences: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    dice: random.Random = field(default_factory=random.Random)
    line: Line = field(init=False)
    wire: tuple[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.line = Line(self.peer)
        self.wire = (self.a.encode(self.peer.authority), self.b.encode(self.peer.authority))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Without the collector's pauses among the samples; the connection is closed at the end."""
        gc.disable()
        try:
            yield
        finally:
            gc.enable()
            self.line.close()

    def take(self, within_s: float, enough: Callable[[], bool]) -> None:
        """Take samples until there are enough, or the time is over."""
        for _ in range(_WARM_UP):
            self._pair()
        deadline = time.monotonic() + within_s
        while not enough() and time.monotonic() < deadline:
            self._round()

    def _round(self) -> None:
        self.pairs += _ROUND
        self.differences.extend(self._group() for _ in range(_ROUND // _GROUP))

    def quiet(self, least: int) -> bool:
        """Whether there are at least so many pairs, and the effect looked for would be seen."""
        if self.pairs < max(least, 4 * _ROUND):
            return False
        error = standard_error(self.differences)
        return detectable(error, alpha=self.alpha, power=self.power) <= self.looked_for_s

    def _group(self) -> float:
        pairs = [self._pair() for _ in range(_GROUP)]
        a, b = sorted(a for a, _ in pairs), sorted(b for _, b in pairs)
        return b[_RANK] - a[_RANK]

    def _pair(self) -> tuple[float, float]:
        first = self.dice.random() < 0.5
        one, other = self._ask(self.wire[first]), self._ask(self.wire[not first])
        return (other, one) if first else (one, other)

    def _ask(self, request: bytes) -> float:
        reply = self.line.ask(request)
        self.statuses[reply.status] += 1
        return reply.elapsed_s


def _record(result: TimingResult, sampling: _Sampling) -> None:
    effect = result.effect
    record(
        Measurement(
            name=f"latency of {sampling.b.method} {sampling.b.path}, two variants",
            value=round(effect.mean * 1e6, 3),
            unit="µs",
            samples=result.pairs,
            bound=f"under {result.looked_for_s * 1e6 / 2:g} µs, or p > {result.alpha:g}",
            detail={
                "test": "sign-flip permutation on block means of winsorised differences, two-sided; each is "
                "of the second fastest answers of twenty pairs",
                "interval_us": [round(bound * 1e6, 3) for bound in effect.interval],
                "p_value": effect.p_value,
                "standard_error_us": round(effect.standard_error * 1e6, 3),
                "smallest_visible_effect_us": round(effect.detectable * 1e6, 3),
                "alpha": sampling.alpha,
                "power": sampling.power,
                "status": result.status,
            },
        )
    )
