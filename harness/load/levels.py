"""A load run beside the service levels of a policy: its figures, and whether it really happened. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from harness.load.records import LoadResult, StepCount
from harness.policy.levels import Latency, ServiceLevels

OFFERED: Final = 0.99
# With so much of the machine left over, nothing but the server itself can have kept its answers waiting.
IDLE: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One step of the journey beside its level; times in milliseconds, of all its requests."""

    step: str
    samples: int
    p50: float
    p95: float
    p99: float
    longest: float
    level: Latency | None


def rows(result: LoadResult, levels: ServiceLevels) -> tuple[Row, ...]:
    """Return every step of the run, in the policy's order first."""
    ordered = [*(s for name in levels.steps if (s := result.step(name)))]
    ordered += [step for step in result.steps if step.name not in levels.steps]
    promised = levels.steps if result.judged else {}
    return tuple(_row(step, promised.get(step.name)) for step in ordered)


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
