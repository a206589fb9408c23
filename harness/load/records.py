"""What a load run came to, as the generator writes it and the harness reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from math import ceil
from pathlib import Path
from typing import Final

import orjson

from harness.disturbance import Moment
from harness.errors import ProbeFailed
from harness.load.histogram import Histogram
from harness.tomlfile import Closed, to_record

SLICE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount(Closed):
    """The requests of one step of the journey.

    statuses: how many by the answer's status, "0" for no answer. errors: how many by what was wrong.
    latency: encoded histogram of the time from the planned start to the end of the answer, errors included.
    """

    name: str
    statuses: Mapping[str, int]
    errors: Mapping[str, int]
    latency: str

    @property
    def histogram(self) -> Histogram:
        return Histogram(self.latency)

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        return sum(self.errors.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Second(Closed):
    """One second of the plan.

    due, errors, p95_ms: of the requests planned in it. completed, served: by the clock, of all the answers
    and of the right ones.
    """

    at: int
    due: int
    completed: int
    served: int
    errors: int
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Closed):
    """Half a second of the plan: what was due in it at the target, and at the witness beside it.

    number: from the plan's beginning, from 0 on. latencies: by step, milliseconds from when each request was
    due. failed: how many of them were answered wrongly, or not at all. witness: latencies of its answers.
    late_ms: how much too late the latest of all these requests was begun.
    """

    number: int
    latencies: Mapping[str, tuple[float, ...]]
    failed: int = 0
    witness: tuple[float, ...] = ()
    late_ms: float = 0.0

    @property
    def requests(self) -> int:
        return sum(map(len, self.latencies.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes(Closed):
    """Writes of one kind, by the ids that the client made up.

    acknowledged: with 2xx. unknown: without an answer, or with 5xx: they may have happened or not.
    """

    acknowledged: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult(Closed):
    """One run of the generator.

    tenant: to whom the recordings belong. judged: whether service levels are promised of its shape.
    planned: requests that the schedule holds; 0 for a scenario that waits for answers instead of planning.
    offered: requests that were begun. completed: that were answered.
    idle: share of the generator's machine that nobody used meanwhile.
    lag: encoded histogram of how much later than planned each was begun.
    ended: the generator's own words on a run that ended early, "" for one that came to its end.
    slices: the plan in half seconds, without those of which not every request was answered or given up.
    began: when the plan began, in seconds of the monotonic clock. moments: what the machine did meanwhile.
    witness: how the witness is reached, "" without one. other: the same journey at a second deployment.
    """

    scenario: str
    rate: float
    for_s: float
    tenant: str = ""
    judged: bool = True
    planned: int
    offered: int
    completed: int
    elapsed_s: float
    idle: float = 0.0
    lag: str
    steps: tuple[StepCount, ...]
    series: tuple[Second, ...]
    writes: Mapping[str, Writes] = field(default_factory=dict)
    ended: str = ""
    slices: tuple[Slice, ...] = ()
    began: float = 0.0
    moments: tuple[Moment, ...] = ()
    witness: str = ""
    other: LoadResult | None = None

    def step(self, name: str) -> StepCount | None:
        """Return one step of the journey, None for one that never came."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def served(self) -> float:
        """Requests answered rightly each second in the second half of the plan."""
        half, end = ceil(self.for_s / 2), int(self.for_s)
        return sum(one.served for one in self.series if half <= one.at < end) / max(end - half, 1)

    @property
    def failed(self) -> int:
        """Requests that were answered wrongly, or not at all."""
        return sum(step.failed for step in self.steps)

    @property
    def errors(self) -> Mapping[str, int]:
        """How many by what was wrong, over all steps, the most frequent first."""
        counts: dict[str, int] = {}
        for step in self.steps:
            for what, count in step.errors.items():
                counts[what] = counts.get(what, 0) + count
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @property
    def lag_ms(self) -> float:
        """The 99th percentile of the generator's own lateness."""
        return Histogram(self.lag).percentile(0.99)

    @property
    def longest_lag_ms(self) -> float:
        return Histogram(self.lag).max_ms

    @property
    def latency(self) -> Histogram:
        """Of all requests together."""

        def joined(sum_: Histogram, step: StepCount) -> Histogram:
            sum_.add(step.histogram)
            return sum_

        return reduce(joined, self.steps, Histogram())


def read_result(path: Path) -> LoadResult:
    """Return what the generator wrote. Raises `ProbeFailed`."""
    try:
        tables = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as cause:
        raise ProbeFailed(f"{path}: the load generator left no readable result: {cause}") from None
    return to_record(LoadResult, tables, source=path, remedy="Run it again with the harness's own generator.")


def write_result(result: LoadResult, path: Path) -> None:
    """Write it for `read_result`."""
    path.write_bytes(orjson.dumps(result))
