"""A measurement as pictures: what the report's page on performance is drawn from."""

from __future__ import annotations

from dataclasses import replace

from harness.load.exhibits import exhibits
from harness.load.records import Second
from harness.records import Chart, Mark, Table
from tests.harness.load.results import LEVELS, result, step
from tests.harness.load.slices import BUSY, QUICK, measured


def test_a_measurement_is_three_tables_and_three_charts() -> None:
    stalled = replace(
        measured(40, {**QUICK, "start": (45.0,) * 25}, witness=(1.0, 3.0)),
        steps=(step("start", [5.0] * 98 + [45.0] * 2), step("read", [3.0] * 100)),
    )
    disturbed = measured(2, moment=BUSY, witness=(20.0,))

    steps, evidence, tries, *charts = exhibits(
        [disturbed, stalled], LEVELS, title="production", marks=(Mark(at=1.0, label="replica lost"),)
    )

    for table in (steps, evidence, tries):
        assert isinstance(table, Table)
        assert all(len(row) == len(table.columns) for row in table.rows)
    assert isinstance(steps, Table)
    assert isinstance(evidence, Table)
    assert isinstance(tries, Table)
    start, read = steps.rows
    assert (start[0], start[1], start[6], start[-1]) == ("start", 100, 40.0, "broken")
    assert (read[0], read[-1]) == ("read", "holds")
    assert {row[0]: row[-1] for row in evidence.rows} == {
        "start: p95": "broken",
        "start: p99": "broken",
        "read: p95": "holds",
        "read: p99": "holds",
        "all steps: p99.5": "broken",
        "errors": "holds",
    }
    first, second = tries.rows
    assert (first[0], first[4], first[5], first[6]) == (1, 2, 2, 2)
    assert "stress used 1.50 processors" in str(first[8])
    assert (second[5], second[8], second[9]) == (0, "", "a process")
    by_percentile, rate, latency = charts
    assert isinstance(by_percentile, Chart)
    assert [line.name for line in by_percentile.lines] == ["start", "read"]
    (p99,) = [y for x, y in by_percentile.lines[0].points if x == 99.0]
    assert round(p99) == 45
    assert isinstance(rate, Chart)
    assert {mark.label for mark in rate.marks} == {"replica lost", "end of the plan"}
    assert [line.name for line in rate.lines] == ["planned", "answered", "wrong"]
    assert isinstance(latency, Chart)
    assert latency.lines[0].points == ((0.0, 5.0),)
    assert latency.lines[1].name == "the witness's slowest"
    assert latency.lines[1].points[1] == (0.5, 3.0)


def test_what_is_not_decided_is_open() -> None:
    steps, *_ = exhibits([measured(2)], LEVELS, title="short")

    assert isinstance(steps, Table)
    assert [row[-1] for row in steps.rows] == ["open", "open"]


def test_a_long_run_is_thinned() -> None:
    series = tuple(Second(at=n, due=1, completed=1, served=1, errors=0, p95_ms=1.0) for n in range(1000))

    *_, latency = exhibits([result(series=series)], LEVELS, title="long")

    assert isinstance(latency, Chart)
    assert len(latency.lines[0].points) <= 200
