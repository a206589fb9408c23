"""A load run held against the service levels of a policy. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from harness.load.records import LoadResult, StepCount
from harness.policy.sections import Latency, ServiceLevels

# Below these the figures tell of the generator and not of the server; measured against wrk2, whose
# generator lags by microseconds.
LAG_MS: Final = 2.0
LAG_SHARE: Final = 0.01
OFFERED: Final = 0.99
# With so much of the machine left over, nothing but the server itself can have kept its answers waiting.
IDLE: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step of the journey beside its level; times in milliseconds."""

    step: str
    samples: int
    p50: float
    p95: float
    p99: float
    longest: float
    level: Latency | None

    def beyond(self, allowance_ms: float) -> bool:
        """Whether a level does not hold, and would not if each request had taken so much less."""
        return self.level is not None and (
            self.p95 - allowance_ms > self.level.p95_ms or self.p99 - allowance_ms > self.level.p99_ms
        )

    @property
    def broken(self) -> str:
        """What of the level does not hold, "" when all of it does."""
        if self.level is None:
            return ""
        over = [
            f"{name} is {value:.1f} ms, {bound:g} are allowed"
            for name, value, bound in (
                ("p95", self.p95, self.level.p95_ms),
                ("p99", self.p99, self.level.p99_ms),
            )
            if value > bound
        ]
        return f"{self.step}: {', '.join(over)}" if over else ""


def rows(result: LoadResult, levels: ServiceLevels) -> tuple[Row, ...]:
    """Return every step of the run, in the policy's order first."""
    ordered = [*(s for name in levels.steps if (s := result.step(name)))]
    ordered += [step for step in result.steps if step.name not in levels.steps]
    return tuple(_row(step, levels.steps.get(step.name)) for step in ordered)


def unfit(result: LoadResult, levels: ServiceLevels) -> str:
    """Return why no verdict can rest on the run, "" where one can."""
    return next(_reasons(result, levels), "")


def broken(result: LoadResult, levels: ServiceLevels) -> list[str]:
    """Return every level that does not hold, one sentence each."""
    found = [row.broken for row in rows(result, levels) if row.broken]
    share = error_share(result)
    if share > levels.error_share:
        told = ", ".join(f"{count} {what}" for what, count in list(result.errors.items())[:3])
        found.append(f"{share:.2%} of the requests failed ({told}), {levels.error_share:.2%} are allowed")
    return found


def late(result: LoadResult, levels: ServiceLevels) -> str:
    """Return why its latencies may be the generator's own, "" where they are the server's.

    A server that cannot keep up makes the generator late too, by the connections that it has to open. No
    request was later than the longest lag: what goes beyond a level by more than that is beyond doubt, as
    long as the machine had processors to spare.
    """
    allowed = max(LAG_MS, LAG_SHARE * min(level.p95_ms for level in levels.steps.values()))
    if result.lag_ms <= allowed:
        return ""
    if result.idle >= IDLE and any(row.beyond(result.longest_lag_ms) for row in rows(result, levels)):
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
    )
