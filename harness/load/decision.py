"""Service levels decided slice by slice: each holds, is broken, or is still open. Pure.

A slice counts against the target only where nothing else than this run took the processors; and where the
witness was slow in it, or the generator late, the target is excused `EXCUSED` times as much. A slice counts
for the target unless the witness was slow in it, or the generator late: to be quick beside other work is
sound evidence. What made them so need not show: a host takes time from its guests without a word. Where it
was the target, too many slices are of that kind, and nothing is decided for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from harness.disturbance import Moment, told
from harness.load.order import Kind
from harness.load.records import SLICE_S, LoadResult, Slice
from harness.load.sequential import BETA, Excess, needed
from harness.policy.levels import ServiceLevels

# Of the policy's `for_s`: a try goes on for so long where it is not decided sooner.
LONGEST: Final = 2.4
# Of service levels that are all kept by a hair, one is found to be broken with at most this probability.
ALPHA: Final = 0.01
# Of the tightest bound: what the witness may take, and how late a request may be begun. In so much time a
# machine at rest answers what takes no work; what a target's answers lose besides is then its own.
QUICK: Final = 0.25
LATE: Final = 0.1
# A request passes as many processes on its way: edge, worker, database, and back. Each may have to wait as
# long as the witness had to, which is one.
EXCUSED: Final = 5.0
# Of the slices, those at most in which the witness was slow, or the generator late, and nobody knows why.
UNEXPLAINED: Final = 0.25
_PATIENCE: Final = 20
_HOPE: Final = 0.1
_SHOWN: Final = 3


@dataclass(slots=True, kw_only=True)
class Level:
    """One promise. steps: whose requests it is about. most_ms: None for the share of errors.

    samples, slow: requests in the slices that count against the target. values: their milliseconds.
    """

    name: str
    steps: tuple[str, ...]
    most_ms: float | None
    alpha: float
    excess: Excess
    samples: int = 0
    slow: int = 0
    values: list[float] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether more than the share is slow."""
        return self.excess.broken(self.alpha)

    @property
    def holds(self) -> bool:
        """Whether less than twice the share is slow, and no more was found."""
        return not self.broken and self.excess.holds()

    @property
    def kind(self) -> Kind:
        return "errors" if self.most_ms is None else "latency"

    @property
    def held(self) -> float:
        """How much there is of the evidence for it that decides, 0 to 1 and more."""
        return max(self.excess.support / needed(BETA), 0.0)

    @property
    def charged(self) -> float:
        """How much there is of the evidence against it that decides."""
        return max(self.excess.against / needed(self.alpha), 0.0)

    def take(self, one: Slice, *, charged: bool, credited: bool, excused_ms: float) -> None:
        """Take a slice. excused_ms: what the target is not charged with."""
        values = [value for step in self.steps for value in one.latencies.get(step, ())]
        if credited:
            self.excess.credit(*self._count(one, values, 0.0))
        # Whether an error came of the disturbance nobody can tell.
        if charged and not (excused_ms and self.most_ms is None):
            slow, requests = self._count(one, values, excused_ms)
            self.excess.charge(slow, requests)
            self.samples += requests
            self.slow += slow
            self.values += values

    def _count(self, one: Slice, values: Sequence[float], excused_ms: float) -> tuple[int, int]:
        """Return how many of the slice's requests are slow, or wrong, and how many there are."""
        if self.most_ms is None:
            return one.failed, one.requests
        return sum(value > self.most_ms + excused_ms for value in values), len(values)

    def __str__(self) -> str:
        if self.most_ms is None:
            share = self.slow / max(self.samples, 1)
            return f"{share:.2%} of {self.samples} requests failed, {self.excess.share:.2%} are allowed"
        values = sorted(self.values)
        value = values[ceil((1 - self.excess.share) * len(values)) - 1] if values else 0.0
        return (
            f"{self.name} is {value:.1f} ms, {self.most_ms:g} are allowed "
            f"({self.slow} of {self.samples} requests took longer)"
        )


class Decision:
    """Takes the slices of one measurement, of all its tries."""

    def __init__(self, levels: ServiceLevels) -> None:
        self._floor = levels.samples
        tightest = min(level.p95_ms for level in levels.steps.values())
        self._quick_ms, self._late_ms = QUICK * tightest, LATE * tightest
        self.levels = tuple(_levels(levels))
        self.requests: Counter[str] = Counter()  # by step, in the slices that count for the target
        self.slices = 0
        self.aside = 0  # slices that do not count in full
        self.credited = 0  # slices that count for the target
        self.unexplained = 0  # slices that do not, though nothing else was at work in them
        self.witness = 0  # slices in which it was not quick
        self.late = 0  # slices in which the generator was late
        self.moments: list[Moment] = []  # those in which something else took time from the run

    def take(self, one: Slice, moments: Sequence[Moment] = ()) -> None:
        """Take a slice, and what the machine did in it."""
        lost_ms, foreign = self._lost(one), [moment for moment in moments if moment.disturbed]
        self.slices += 1
        self.aside += bool(foreign or lost_ms)
        self.moments += [moment for moment in foreign if moment not in self.moments[-2:]]
        charged, credited = not foreign, not lost_ms
        self.credited += credited
        self.unexplained += bool(lost_ms and not foreign)
        if credited:
            self.requests.update({step: len(found) for step, found in one.latencies.items()})
        for level in self.levels:
            level.take(one, charged=charged, credited=credited, excused_ms=EXCUSED * lost_ms)

    def take_all(self, result: LoadResult) -> None:
        """Take every slice of a try."""
        for one in result.slices:
            self.take(one, during(one, result.began, result.moments))

    def of(self, kind: Kind) -> tuple[Level, ...]:
        """Return the levels of a kind."""
        return tuple(level for level in self.levels if kind in ("all", level.kind))

    def about(self, step: str) -> tuple[Level, ...]:
        """Return the levels on one step alone."""
        return tuple(level for level in self.levels if level.steps == (step,))

    def broken(self, kind: Kind = "all") -> tuple[Level, ...]:
        """Return the levels that the target does not keep."""
        return tuple(level for level in self.of(kind) if level.broken)

    def decided(self, kind: Kind = "all") -> bool:
        """Whether one level is broken, or all hold."""
        return bool(self.broken(kind)) or not (self._few(kind) or self._open(kind) or self._suspect)

    @property
    def _suspect(self) -> bool:
        """Whether the target itself may be what keeps the witness waiting."""
        return self.unexplained > UNEXPLAINED * self.slices

    @property
    def hopeless(self) -> bool:
        """Whether hardly any slice counts: it is better tried again later than gone on with."""
        return self.slices >= _PATIENCE and self.credited < _HOPE * self.slices

    def undecided(self, kind: Kind = "all") -> str:
        """Return why there is no verdict, with what was seen; "" where there is one."""
        if self.broken(kind):
            return ""
        return "; ".join(filter(None, self._reasons(kind)))

    def _reasons(self, kind: Kind) -> Iterator[str]:
        few, undecided = self._few(kind), self._open(kind)
        if not few and not undecided and not self._suspect:
            return
        yield f"not decided after {self.slices * SLICE_S:g} s"
        yield self.disturbances()
        if self._suspect:
            yield f"in {self.unexplained} of them nothing else was at work: the target may have done it"
        if few:
            told_ = ", ".join(f"{self.requests[step]} of the step '{step}'" for step in few)
            yield f"too few requests: {told_}, {self._floor} are the least"
        seen = sorted((level for level in undecided if level.samples), key=lambda level: -level.charged)
        for level in seen[:_SHOWN]:
            yield f"{level}: {level.held:.0%} of the evidence for it, {level.charged:.0%} of that against it"

    def _open(self, kind: Kind) -> list[Level]:
        return [level for level in self.of(kind) if not level.broken and not level.holds]

    def _few(self, kind: Kind) -> list[str]:
        steps = dict.fromkeys(step for level in self.of(kind) for step in level.steps)
        return [step for step in steps if self.requests[step] < self._floor]

    def _lost(self, one: Slice) -> float:
        """Return the milliseconds that the slice took from whatever ran in it; 0 for an undisturbed one."""
        witness, late = max(one.witness, default=0.0), one.late_ms
        slow, tardy = witness > self._quick_ms, late > self._late_ms
        self.witness += slow
        self.late += tardy
        return max(witness, late) if slow or tardy else 0.0

    def disturbances(self) -> str:
        """Say how many slices were disturbed, and by what; "" where none was."""
        if not self.aside:
            return ""
        found = [f"{self.aside} of {self.slices} slices of {SLICE_S:g} s were disturbed"]
        if self.witness:
            found.append(f"the witness took more than {self._quick_ms:g} ms in {self.witness}")
        if self.late:
            found.append(f"the generator was more than {self._late_ms:g} ms late in {self.late}")
        return "; ".join([*found, *filter(None, [told(self.moments)])])


def during(one: Slice, began: float, moments: Sequence[Moment]) -> list[Moment]:
    """Return the moments of a slice. began: when the plan did, in seconds of the monotonic clock."""
    start = began + one.number * SLICE_S
    return [moment for moment in moments if moment.began < start + SLICE_S and start < moment.ended]


def decide(tries: Sequence[LoadResult], levels: ServiceLevels) -> Decision:
    """Return what the tries of one measurement come to together."""
    decision = Decision(levels)
    for result in tries:
        decision.take_all(result)
    return decision


def _levels(levels: ServiceLevels) -> Iterator[Level]:
    """Yield every promise. Half of the error rate is the tail's, which is the hardest to find."""
    steps = tuple(levels.steps)
    each = ALPHA / 2 / (2 * len(steps) + 1)
    for step, level in levels.steps.items():
        for most_ms, share in ((level.p95_ms, 0.05), (level.p99_ms, 0.01)):
            yield _level(f"{step}: p{100 * (1 - share):g}", (step,), most_ms, share, each)
    tail = levels.tail
    yield _level(f"all steps: p{100 * (1 - tail.share):g}", steps, tail.most_ms, tail.share, ALPHA / 2)
    yield Level(
        name="errors",
        steps=(),
        most_ms=None,
        alpha=each,
        # Nothing says that errors come in clusters: to allow for them takes three times as long.
        excess=Excess(share=levels.error_share, cluster=1),
    )


def _level(name: str, steps: tuple[str, ...], most_ms: float, share: float, alpha: float) -> Level:
    return Level(name=name, steps=steps, most_ms=most_ms, alpha=alpha, excess=Excess(share=share))
