"""A load run as pictures for the report's page on performance. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.disturbance import told
from harness.load.decision import Decision, Level, decide
from harness.load.levels import Row, rows
from harness.load.records import SLICE_S, LoadResult, Slice
from harness.policy.levels import ServiceLevels
from harness.records import Chart, Line, Mark, Table

_SHARES: Final = (10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.0, 98.0, 99.0, 99.5, 99.9, 100.0)
_SECONDS: Final = 200  # points of a curve at most; a longer run is thinned


def exhibits(
    tries: Sequence[LoadResult], levels: ServiceLevels, *, title: str, marks: Sequence[Mark] = ()
) -> tuple[Chart | Table, ...]:
    """Return everything there is to see of a measurement: of its last try, and what was decided on all.

    marks: moments of the last try, in seconds from its beginning.
    """
    decision, result = decide(tries, levels), tries[-1]
    return (
        steps_table(rows(result, levels), decision, title=title),
        decision_table(decision, title=title),
        tries_table(tries, levels, title=title),
        latency_chart(result, levels, title=title),
        *time_charts(result, title=title, marks=marks),
    )


def decision_table(decision: Decision, *, title: str) -> Table:
    """Return the evidence on each service level: it is decided where either evidence reaches 100 %."""
    return Table(
        page="performance",
        title=f"Evidence on the service levels: {title}",
        columns=(
            *("service level", "at most ms", "share that may be slow", "requests", "slow"),
            *("evidence for it %", "evidence against it %", "decided"),
        ),
        rows=tuple(
            (
                *(level.name, level.most_ms, level.excess.share, level.samples, level.slow),
                *(round(100 * level.held), round(100 * level.charged), _verdict(level)),
            )
            for level in decision.levels
        ),
    )


def tries_table(tries: Sequence[LoadResult], levels: ServiceLevels, *, title: str) -> Table:
    """Return every try, with the slices that do not count in full, and what disturbed them."""
    found = [(result, decide([result], levels)) for result in tries]
    return Table(
        page="performance",
        title=f"Tries, and what disturbed them: {title}",
        columns=(
            *("try", "seconds", "requests", "wrong", f"slices of {SLICE_S:g} s", "disturbed"),
            *("witness slow in", "generator late in", "by what", "witness"),
        ),
        rows=tuple(
            (
                *(number, result.for_s, result.offered, result.failed, one.slices, one.aside),
                *(one.witness, one.late, told(one.moments), result.witness),
            )
            for number, (result, one) in enumerate(found, start=1)
        ),
    )


def steps_table(found: Sequence[Row], decision: Decision, *, title: str) -> Table:
    """Return latencies and service levels, step by step."""
    return Table(
        page="performance",
        title=f"Service levels: {title}",
        columns=(
            "step",
            "samples",
            "p50 ms",
            "p95 ms",
            "at most",
            "p99 ms",
            "at most",
            "longest ms",
            "decided",
        ),
        rows=tuple(
            (
                *(row.step, row.samples, round(row.p50, 2)),
                *(round(row.p95, 2), row.level.p95_ms if row.level else None),
                *(round(row.p99, 2), row.level.p99_ms if row.level else None),
                *(round(row.longest, 2), _verdict(*decision.about(row.step)) if row.level else None),
            )
            for row in found
        ),
    )


def latency_chart(result: LoadResult, levels: ServiceLevels, *, title: str) -> Chart:
    """Return latency by percentile, a curve for each step."""
    lines = []
    for step in result.steps:
        latency = step.histogram
        points = tuple((share, round(latency.percentile(share / 100), 3)) for share in _SHARES)
        lines.append(Line(name=step.name, points=points))
    tail = levels.tail
    return Chart(
        page="performance",
        title=f"Latency by percentile: {title}",
        x="percentile",
        y="from when it was due (ms)",
        lines=tuple(lines),
        marks=(
            Mark(at=95.0, label="p95"),
            Mark(at=99.0, label="p99"),
            Mark(at=100 * (1 - tail.share), label=f"of all at most {tail.most_ms:g} ms"),
        ),
    )


def time_charts(result: LoadResult, *, title: str, marks: Sequence[Mark] = ()) -> tuple[Chart, Chart]:
    """Return rate and errors, and latency, over the run's time."""
    series = result.series[:: max(1, -(-len(result.series) // _SECONDS))]
    ends = (*marks, Mark(at=result.for_s, label="end of the plan"))

    def line(name: str, values: Sequence[float]) -> Line:
        points = tuple((float(second.at), float(value)) for second, value in zip(series, values, strict=True))
        return Line(name=name, points=points)

    rate = Chart(
        page="performance",
        title=f"Rate and errors over time: {title}",
        x="time (s)",
        y="requests a second",
        lines=(
            line("planned", [second.due for second in series]),
            line("answered", [second.completed for second in series]),
            line("wrong", [second.errors for second in series]),
        ),
        marks=ends,
    )
    latency = Chart(
        page="performance",
        title=f"Latency over time: {title}",
        x="time (s)",
        y="of each second (ms)",
        lines=(
            line("p95", [second.p95_ms for second in series]),
            *([_witness(result.slices)] if any(one.witness for one in result.slices) else []),
        ),
        marks=ends,
    )
    return rate, latency


def _witness(slices: Sequence[Slice]) -> Line:
    every = max(1, -(-len(slices) // _SECONDS))
    points = tuple((one.number * SLICE_S, max(one.witness, default=0.0)) for one in slices[::every])
    return Line(name="the witness's slowest", points=points)


def _verdict(*levels: Level) -> str:
    if any(level.broken for level in levels):
        return "broken"
    return "holds" if all(level.holds for level in levels) else "open"
