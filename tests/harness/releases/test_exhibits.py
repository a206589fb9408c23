"""Rollouts as charts and tables: counts, rates and marks are those of what happened."""

from __future__ import annotations

import pytest

from harness.records import Chart, Table
from harness.releases.entries import Outcome, Step, Stepped
from harness.releases.exhibits import exhibits
from harness.releases.history import Attempt, Write, judge
from harness.releases.stage import Colour, Sample, Traffic

BEGAN = 1000.0
CONTENT = {"metadata": "m"}


def stepped(step: Step, begun: float, over: float, mark: str = "done") -> tuple[Stepped, Stepped]:
    why = "3 of 60 requests failed\n  | a line" if mark == "failed" else ""
    return (
        Stepped(step=step, mark="begun", at=BEGAN + begun),
        Stepped(step=step, mark=mark, why=why, at=BEGAN + over),  # type: ignore[arg-type]
    )


RETURNED = Outcome(
    operation="release",
    version="1.1.0",
    before="1.0.0",
    result="returned",
    why="3 of 60 requests failed\n  | a line",
    serving="1.0.0",
    steps=(
        *stepped(Step.START, 0, 2),
        *stepped(Step.SWITCH, 2, 2.25),
        *stepped(Step.WATCH, 2.25, 4, "failed"),
        *stepped(Step.RETURN, 4, 4.5),
    ),
    began=BEGAN,
    ended=BEGAN + 5,
)


def write(number: int, *statuses: int) -> Write:
    due = BEGAN + number * 0.25
    attempts = tuple(Attempt(at=due, done=due + 0.01 * (n + 1), status=s) for n, s in enumerate(statuses))
    return Write(id=f"w-{number}", due=due, content=CONTENT, attempts=attempts)


WRITES = [write(0, 200), write(1, 200), write(2, 503, 200), write(3, 0), write(4, 200)]
STORED = {f"w-{n}": [CONTENT] for n in range(4)}
SAMPLES = [
    Sample(at=BEGAN + 0.2, traffic={Colour.BLUE: Traffic(requests=10)}),
    Sample(at=BEGAN + 0.4, traffic={Colour.BLUE: Traffic(requests=5)}),
    Sample(at=BEGAN + 1.6, traffic={Colour.GREEN: Traffic(requests=20, errors=2), Colour.BLUE: Traffic()}),
]


@pytest.fixture
def shown() -> dict[str, Chart | Table]:
    found = exhibits([RETURNED], SAMPLES, WRITES, judge(WRITES, STORED), title="production")
    return {one.title.partition(":")[0]: one for one in found}


def table(shown: dict[str, Chart | Table], title: str) -> Table:
    found = shown[title]
    assert isinstance(found, Table)
    assert all(len(row) == len(found.columns) for row in found.rows)
    return found


def curves(shown: dict[str, Chart | Table], title: str) -> dict[str, tuple[tuple[float, float], ...]]:
    found = shown[title]
    assert isinstance(found, Chart)
    return {line.name: line.points for line in found.lines}


def test_all_of_it_is_for_the_page_on_rollouts(shown: dict[str, Chart | Table]) -> None:
    assert {one.page for one in shown.values()} == {"rollout"}
    assert all(one.title.endswith(": production") for one in shown.values())


def test_the_times_of_a_rollout_are_measured_from_its_steps() -> None:
    assert RETURNED.seconds(Step.SWITCH) == 0.25
    assert RETURNED.seconds(Step.WATCH) == 1.75
    assert RETURNED.seconds(Step.CONTRACT) is None
    assert RETURNED.recovery_s == 2.5, "from the switch, at which clients first met it, to the return's end"


def test_every_rollout_is_a_row(shown: dict[str, Chart | Table]) -> None:
    found = table(shown, "Rollouts")

    expected = ("release of 1.1.0", "returned", "1.0.0", 5.0, 0.25, 2.5, "3 of 60 requests failed")
    assert found.rows == (expected,)


def test_every_write_is_counted_once(shown: dict[str, Chart | Table]) -> None:
    assert table(shown, "Writes read back").rows == (
        ("acknowledged", 4, 3, 1, 0, 0),
        ("refused", 0, 0, 0, 0, 0),
        ("unknown", 1, 1, 0, 0, 0),
        ("never sent", 0, 0, 0, 0, 0),
    )


def test_traffic_is_a_rate_by_colour_and_silence_is_drawn(shown: dict[str, Chart | Table]) -> None:
    found = curves(shown, "Who answered")

    assert found["blue"] == ((0.0, 30.0), (0.5, 0.0), (1.0, 0.0), (1.5, 0.0))
    assert found["green"] == ((1.5, 40.0),)
    assert found["errors"][-1] == (1.5, 4.0)


def test_writes_are_drawn_by_what_their_clients_knew(shown: dict[str, Chart | Table]) -> None:
    found = curves(shown, "Writes meanwhile")

    assert sum(y for _, y in found["acknowledged"]) == 4 / 0.5
    assert found["sent again"] == ((0.5, 4.0),)
    assert found["unknown"] == ((0.5, 2.0),)
    assert found["refused"] == ()


def test_latency_counts_from_when_a_write_was_due(shown: dict[str, Chart | Table]) -> None:
    (points,) = curves(shown, "Latency of writes, sendings again included").values()

    assert [x for x, _ in points] == [0.0, 0.5, 1.0]
    assert points[1][1] == pytest.approx(20, rel=0.01)


def test_steps_and_ends_are_marked(shown: dict[str, Chart | Table]) -> None:
    found = shown["Who answered"]
    assert isinstance(found, Chart)

    assert [(mark.at, mark.label) for mark in found.marks] == [
        (2.0, "1.1.0: start done"),
        (2.25, "1.1.0: switch done"),
        (4.0, "1.1.0: watch failed"),
        (4.5, "1.1.0: return done"),
        (5.0, "1.1.0: returned"),
    ]


def test_nothing_at_all_still_has_its_exhibits() -> None:
    found = exhibits([], [], [], judge([], {}), title="production")

    assert all(not line.points for one in found if isinstance(one, Chart) for line in one.lines)
