"""A load run held against the service levels of a policy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from harness.load.binomial import at_least
from harness.load.histogram import Histogram
from harness.load.records import LoadResult, StepCount
from harness.policy.levels import Latency, ServiceLevels

# Below these the figures tell of the generator and not of the server; measured against wrk2, whose
# generator lags by microseconds.
LAG_MS: Final = 2.0
LAG_SHARE: Final = 0.01
OFFERED: Final = 0.99
# With so much of the machine left over, nothing but the server itself can have kept its answers waiting.
IDLE: Final = 0.15
# Of runs whose requests keep a bound by a hair, so many are found to break it by chance.
ALPHA: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A time within which all but `share` of the requests are to be answered.

    over: of `samples` requests, those that took longer. value_ms: within which that share was answered.
    """

    name: str
    most_ms: float
    share: float
    samples: int
    over: int
    value_ms: float

    @property
    def holds(self) -> bool:
        """Whether no more were slower than may be."""
        return self.over <= self.share * self.samples

    @property
    def broken(self) -> bool:
        """Whether so many were slower that chance hardly explains it where the bound holds (`ALPHA`)."""
        return not self.holds and at_least(self.over, self.samples, self.share) < ALPHA

    def __str__(self) -> str:
        return (
            f"{self.name} is {self.value_ms:.1f} ms, {self.most_ms:g} are allowed "
            f"({self.over} of {self.samples} requests took longer)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step of the journey beside its level; times in milliseconds. bounds: those of the level."""

    step: str
    samples: int
    p50: float
    p95: float
    p99: float
    longest: float
    level: Latency | None
    bounds: tuple[Bound, ...]


def rows(result: LoadResult, levels: ServiceLevels) -> tuple[Row, ...]:
    """Return every step of the run, in the policy's order first."""
    ordered = [*(s for name in levels.steps if (s := result.step(name)))]
    ordered += [step for step in result.steps if step.name not in levels.steps]
    promised = levels.steps if result.judged else {}
    return tuple(_row(step, promised.get(step.name)) for step in ordered)


def bounds(result: LoadResult, levels: ServiceLevels, *, excused_ms: float = 0.0) -> tuple[Bound, ...]:
    """Return every promised bound beside what was seen, as if each request had taken `excused_ms` less."""
    steps = [step for step in result.steps if step.name in levels.steps]
    found = [bound for step in steps for bound in _bounds(step, levels.steps[step.name], excused_ms)]
    tail = levels.tail
    return (*found, _bound("all steps", result.latency, tail.most_ms, tail.share, excused_ms))


def unfit(result: LoadResult, levels: ServiceLevels) -> str:
    """Return why no verdict can rest on the run, "" where one can."""
    return next(_reasons(result, levels), "")


def broken(result: LoadResult, levels: ServiceLevels) -> list[str]:
    """Return every level that does not hold, one sentence each."""
    found = slow(result, levels)
    share = error_share(result)
    if share > levels.error_share:
        told = ", ".join(f"{count} {what}" for what, count in list(result.errors.items())[:3])
        found.append(f"{share:.2%} of the requests failed ({told}), {levels.error_share:.2%} are allowed")
    return found


def slow(result: LoadResult, levels: ServiceLevels) -> list[str]:
    """Return every bound on a latency that is broken."""
    return [str(bound) for bound in bounds(result, levels) if bound.broken]


def late(result: LoadResult, levels: ServiceLevels) -> str:
    """Return why its latencies may be the generator's own, "" where they are the server's.

    A server that cannot keep up makes the generator late too, by the connections that it has to open. No
    request was later than the longest lag: what goes beyond a level by more than that is beyond doubt, as
    long as the machine had processors to spare.
    """
    allowed = max(LAG_MS, LAG_SHARE * min(level.p95_ms for level in levels.steps.values()))
    if result.lag_ms <= allowed:
        return ""
    beyond = bounds(result, levels, excused_ms=result.longest_lag_ms)
    if result.idle >= IDLE and any(bound.broken for bound in beyond):
        return ""
    return f"the generator was too slow: {result.lag_ms:.1f} ms late (p99), {allowed:g} are allowed"


def undelivered(result: LoadResult) -> str:
    """Return why the load did not happen as planned, "" where it did."""
    if result.ended:
        return f"the generator ended early: {result.ended}"
    if not result.planned:
        return "the scenario has no plan: its requests wait for answers, which hides every stall"
    if result.offered < OFFERED * result.planned:
        share = result.offered / result.planned
        return f"the generator was too slow: {share:.0%} of {result.planned} planned requests were begun"
    return ""


def error_share(result: LoadResult) -> float:
    """Return the share of the begun requests that were answered wrongly, or not at all."""
    return result.failed / result.offered if result.offered else 0.0


def _reasons(result: LoadResult, levels: ServiceLevels) -> Iterator[str]:
    if reason := undelivered(result):
        yield reason
    for name in levels.steps:
        step = result.step(name)
        samples = step.requests if step else 0
        if samples < levels.samples:
            yield f"too few samples: {samples} requests of the step '{name}', {levels.samples} are the least"
    if reason := late(result, levels):
        yield reason
    if not broken(result, levels):
        yield from (f"too few samples to tell: {one}" for one in bounds(result, levels) if not one.holds)


def _bounds(step: StepCount, level: Latency, excused_ms: float = 0.0) -> tuple[Bound, ...]:
    promised = ((level.p95_ms, 0.05), (level.p99_ms, 0.01))
    return tuple(_bound(step.name, step.histogram, most_ms, share, excused_ms) for most_ms, share in promised)


def _bound(name: str, latency: Histogram, most_ms: float, share: float, excused_ms: float) -> Bound:
    return Bound(
        name=f"{name}: p{100 * (1 - share):g}",
        most_ms=most_ms,
        share=share,
        samples=latency.count,
        over=latency.over(most_ms + excused_ms),
        value_ms=latency.percentile(1 - share),
    )


def _row(step: StepCount, level: Latency | None) -> Row:
    latency = step.histogram
    return Row(
        step=step.name,
        samples=latency.count,
        p50=latency.percentile(0.5),
        p95=latency.percentile(0.95),
        p99=latency.percentile(0.99),
        longest=latency.max_ms,
        level=level,
        bounds=_bounds(step, level) if level else (),
    )
