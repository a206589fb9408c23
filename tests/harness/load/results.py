"""Load results as a run leaves them: a test gives only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.load.histogram import Histogram
from harness.load.records import LoadResult, Second, StepCount
from harness.policy.levels import Latency, ServiceLevels, Tail

LEVELS = ServiceLevels(
    rate=100.0,
    for_s=2.0,
    error_share=0.01,
    samples=100,
    tail=Tail(most_ms=40.0, share=0.005),
    steps={"start": Latency(p95_ms=20.0, p99_ms=40.0), "read": Latency(p95_ms=20.0, p99_ms=40.0)},
)


def encoded(milliseconds: Sequence[float]) -> str:
    histogram = Histogram()
    for one in milliseconds:
        histogram.record(one)
    return histogram.encoded()


def step(name: str, milliseconds: Sequence[float], errors: Mapping[str, int] | None = None) -> StepCount:
    wrong = sum((errors or {}).values())
    statuses = {"200": len(milliseconds) - wrong, **({"503": wrong} if wrong else {})}
    return StepCount(name=name, statuses=statuses, errors=errors or {}, latency=encoded(milliseconds))


def result(**given: Any) -> LoadResult:
    steps = given.pop("steps", (step("start", [5.0] * 100), step("read", [3.0] * 100)))
    count = sum(one.requests for one in steps)
    usual: dict[str, Any] = {
        "scenario": "Steady",
        "rate": 100.0,
        "for_s": 2.0,
        "tenant": "load-1",
        "planned": count,
        "offered": count,
        "completed": count,
        "elapsed_s": 2.0,
        "lag": encoded([0.2] * count),
        "steps": steps,
        "series": (Second(at=0, due=count, completed=count, served=count, errors=0, p95_ms=5.0),),
    }
    return LoadResult(**{**usual, **given})
