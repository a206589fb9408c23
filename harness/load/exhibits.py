"""A load run as pictures for the report's page on performance. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from harness.load.levels import Row, rows
from harness.load.records import LoadResult
from harness.policy.levels import ServiceLevels
from harness.records import Chart, Line, Mark, Table

_SHARES: Final = (10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.0, 98.0, 99.0, 99.5, 99.9, 100.0)
_SECONDS: Final = 200  # points of a curve at most; a longer run is thinned


def exhibits(
    result: LoadResult, levels: ServiceLevels, *, title: str, marks: Sequence[Mark] = ()
) -> tuple[Chart | Table, ...]:
    """Return everything there is to see of a run. marks: moments of it, in seconds from its beginning."""
    return (
        levels_table(rows(result, levels), title=title),
        latency_chart(result, levels, title=title),
        *time_charts(result, title=title, marks=marks),
    )


def levels_table(found: Sequence[Row], *, title: str) -> Table:
    """Return the service levels, step by step."""
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
            "holds",
        ),
        rows=tuple(
            (
                *(row.step, row.samples, round(row.p50, 2)),
                *(round(row.p95, 2), row.level.p95_ms if row.level else None),
                *(round(row.p99, 2), row.level.p99_ms if row.level else None),
                *(round(row.longest, 2), all(bound.holds for bound in row.bounds) if row.level else None),
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
        y="p95 of each second (ms)",
        lines=(line("p95", [second.p95_ms for second in series]),),
        marks=ends,
    )
    return rate, latency
