"""Counts what the generator does, from Locust's own events, into a `LoadResult`."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from math import ceil

from harness.load.early import Early
from harness.load.histogram import Histogram
from harness.load.machine import Processors
from harness.load.order import Order
from harness.load.records import LoadResult, Second, StepCount, Writes
from harness.load.slices import Slices


class Tally:
    """One run. began: `time.perf_counter()` second at which the plan begins."""

    def __init__(self, order: Order, scenario: str, *, planned: int, began: float) -> None:
        self._order = order
        self.slices = Slices("target", "witness") if order.witness else Slices("target")
        self._early = Early(order, began) if order.levels else None
        self._scenario = scenario
        self._planned = planned
        self.began = began
        self._processors = Processors()
        self._offered = 0
        self._completed = 0
        self._lag = Histogram()
        self._latency: dict[str, Histogram] = defaultdict(Histogram)
        self._statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self._errors: dict[str, Counter[str]] = defaultdict(Counter)
        self._by_due: dict[int, list[float]] = defaultdict(list)
        self._wrong: Counter[int] = Counter()
        self._done: Counter[int] = Counter()
        self._right: Counter[int] = Counter()
        self._acknowledged: dict[str, list[str]] = defaultdict(list)
        self._unknown: dict[str, list[str]] = defaultdict(list)

    @property
    def early(self) -> bool:
        """Whether the run may end before its plan does."""
        if self._early is not None:
            self._early.take(self.slices.over())
        return self._early is not None and self._early.over

    def begun(self, due: float, late_s: float) -> None:
        """Count a request that is begun now, so many seconds after it was due."""
        self._offered += 1
        self._lag.record(late_s * 1000)
        self.slices.begun(due, late_s)

    def took(
        self, name: str, response_time: float, exception: BaseException | None, *, status: int, due: float
    ) -> None:
        """Count the end of a request. response_time: milliseconds from when it was due."""
        self.slices.answered(due, name, response_time, failed=exception is not None)
        self._statuses[name][str(status)] += 1
        self._latency[name].record(response_time)
        self._by_due[int(due)].append(response_time)
        now = int(time.perf_counter() - self.began)
        if status:
            self._completed += 1
            self._done[now] += 1
        if exception is None:
            self._right[now] += 1
        else:
            self._errors[name][_told(exception)] += 1
            self._wrong[int(due)] += 1

    def wrote(self, kind: str, written: str, *, status: int) -> None:
        """Note what became of a write. A refusal (3xx, 4xx) left nothing, and is not noted."""
        if 200 <= status < 300:
            self._acknowledged[kind].append(written)
        elif status == 0 or status >= 500:
            self._unknown[kind].append(written)

    def result(
        self, *, tenant: str, judged: bool, ended: str, last: float, other: LoadResult | None
    ) -> LoadResult:
        """Return what it came to. last: `time.perf_counter()` second at which the last request was due."""
        early = self.early and not ended
        return LoadResult(
            scenario=self._scenario,
            rate=self._order.rate,
            for_s=min(round(last - self.began, 3), self._order.for_s) if early else self._order.for_s,
            tenant=tenant,
            judged=judged,
            planned=self._offered if early else self._planned,
            offered=self._offered,
            completed=self._completed,
            elapsed_s=round(time.perf_counter() - self.began, 3),
            idle=round(self._processors.idle, 4),
            lag=self._lag.encoded(),
            steps=tuple(self._step(name) for name in sorted(self._latency)),
            series=tuple(self._second(at) for at in sorted({*self._by_due, *self._done})),
            writes={
                kind: Writes(acknowledged=tuple(self._acknowledged[kind]), unknown=tuple(self._unknown[kind]))
                for kind in sorted({*self._acknowledged, *self._unknown})
            },
            ended=ended,
            slices=self.slices.all(),
            began=self.began,
            witness=self._order.witness.how if self._order.witness else "",
            other=other,
        )

    def _step(self, name: str) -> StepCount:
        return StepCount(
            name=name,
            statuses=dict(self._statuses[name]),
            errors=dict(self._errors[name]),
            latency=self._latency[name].encoded(),
        )

    def _second(self, at: int) -> Second:
        latencies = sorted(self._by_due.get(at, ()))
        p95 = latencies[ceil(0.95 * len(latencies)) - 1] if latencies else 0.0
        return Second(
            at=at,
            due=len(latencies),
            completed=self._done[at],
            served=self._right[at],
            errors=self._wrong[at],
            p95_ms=round(p95, 3),
        )


def _told(error: BaseException) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0][:120]}" if text else type(error).__name__
