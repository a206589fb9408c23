"""A run as pictures: what the report's page on performance is drawn from."""

from __future__ import annotations

from harness.load.exhibits import exhibits
from harness.load.records import Second
from harness.records import Chart, Mark, Table
from tests.harness.load.results import LEVELS, result, step


def test_a_run_is_a_table_and_three_charts() -> None:
    stalled = result(steps=(step("start", [5.0] * 98 + [45.0] * 2), step("read", [3.0] * 100)))

    table, *charts = exhibits(
        stalled, LEVELS, title="production", marks=(Mark(at=1.0, label="replica lost"),)
    )

    assert isinstance(table, Table)
    assert all(len(row) == len(table.columns) for row in table.rows)
    start, read = table.rows
    assert (start[0], start[1], start[6], start[-1]) == ("start", 100, 40.0, False)
    assert (read[0], read[-1]) == ("read", True)
    by_percentile, rate, latency = charts
    assert isinstance(by_percentile, Chart)
    assert [line.name for line in by_percentile.lines] == ["start", "read"]
    (p99,) = [y for x, y in by_percentile.lines[0].points if x == 99.0]
    assert round(p99) == 45
    assert {mark.label for mark in rate.marks} == {"replica lost", "end of the plan"}
    assert [line.name for line in rate.lines] == ["planned", "answered", "wrong"]
    assert latency.lines[0].points == ((0.0, 5.0),)


def test_a_long_run_is_thinned() -> None:
    series = tuple(Second(at=n, due=1, completed=1, served=1, errors=0, p95_ms=1.0) for n in range(1000))

    *_, latency = exhibits(result(series=series), LEVELS, title="long")

    assert len(latency.lines[0].points) <= 200
