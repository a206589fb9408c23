"""What several counts of replicas served: when the curve is a verdict, and when it is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.load.records import Second
from harness.load.scaling import Stage, exhibits, share, short, told, unclear
from tests.harness.load.results import result, step

LEAST = 0.7


def stage(replicas: int, served: int, **given: Any) -> Stage:
    """Six seconds, in which twice as much was asked as was done."""
    asked = given.pop("asked", 2 * served)
    series = tuple(
        Second(at=at, due=asked, completed=served, served=served, errors=0, p95_ms=500.0) for at in range(8)
    )
    usual = {"for_s": 6.0, "rate": float(asked), "series": series, "idle": 0.4, "judged": False}
    throttled = given.pop("throttled", 40)
    return Stage(
        replicas=replicas, result=result(**{**usual, **given}), throttled=throttled, used_s=replicas * 1.2
    )


def test_what_is_served_is_counted_once_the_queue_has_formed() -> None:
    slow = tuple(
        Second(at=at, due=90, completed=60, served=0 if at < 3 else 50, errors=0, p95_ms=1.0)
        for at in range(9)
    )

    assert stage(1, 0, series=slow).served == 50.0
    assert stage(1, 0, series=slow, for_s=7.5).served == 50.0
    assert stage(1, 0, series=()).served == 0.0


def test_twice_the_replicas_that_serve_nearly_twice_as_much_are_not_short() -> None:
    stages = [stage(4, 180), stage(2, 95), stage(1, 50)]

    assert [round(share(stages, one), 2) for one in stages] == [0.9, 0.95, 1.0]
    assert (unclear(stages, LEAST), short(stages, LEAST)) == ("", [])


def test_replicas_that_do_not_serve_their_share_are_named_with_what_held_them_back() -> None:
    stages = [stage(4, 52, throttled=0), stage(2, 51), stage(1, 50)]

    found = short(stages, LEAST)
    assert found == stages[:2]
    assert unclear(stages, LEAST) == ""
    assert told(stages, found) == (
        "4 replicas serve 52 requests a second, 26% of 4 times what one does, and something else than their "
        "quota held them back; 2 replicas serve 51 requests a second, 51% of 2 times what one does"
    )


def test_what_was_kept_up_with_before_too_much_was_asked_counts() -> None:
    toppled = replace(stage(1, 20), before=50.0)

    assert toppled.served == 50.0
    assert toppled.used == pytest.approx(20 * toppled.cost_s)


@pytest.mark.parametrize(
    ("four", "said"),
    [
        ({"served": 180, "asked": 185}, "4 replicas did all that was asked"),
        ({"served": 60, "idle": 0.05}, "the machine was too busy: what was served beside other work"),
        ({"served": 60, "idle": 0.05, "throttled": 3}, "too busy to give 4 replicas their quota"),
        ({"served": 180, "idle": 0.05, "throttled": 3}, "too busy to give 4 replicas their quota"),
        ({"served": 0, "asked": 90}, "4 replicas served nothing"),
        ({"served": 180, "planned": 999}, "the generator was too slow"),
        ({"served": 180, "ended": "it was stopped"}, "the generator ended early"),
    ],
)
def test_what_a_busy_machine_or_too_small_a_load_brought_is_no_verdict(
    four: dict[str, Any], said: str
) -> None:
    stages = [stage(4, **four), stage(2, 95), stage(1, 50)]

    assert said in unclear(stages, LEAST)


def test_a_busy_machine_on_which_every_replica_had_its_quota_may_pass() -> None:
    assert unclear([stage(4, 180, idle=0.02), stage(2, 95), stage(1, 50)], LEAST) == ""


def test_one_replica_that_was_not_given_its_quota_is_nothing_to_compare_with() -> None:
    stages = [stage(4, 180), stage(2, 95), stage(1, 30, idle=0.02, throttled=10)]

    assert "too busy to give 1 replica" in unclear(stages, LEAST)


def test_the_price_of_a_request_is_reckoned_on_the_right_answers() -> None:
    wrong = stage(1, 50, steps=(step("start", [5.0] * 100, {"Wrong: status 503": 40}),))

    assert wrong.cost_s == pytest.approx(1.2 / 60)


def test_the_curve_lies_beside_as_many_times_one() -> None:
    chart, table = exhibits([stage(4, 180), stage(2, 95), stage(1, 50)], LEAST, title="production")

    measured, ideal, bound = chart.lines
    assert measured.points == ((1.0, 50.0), (2.0, 95.0), (4.0, 180.0))
    assert ideal.points == ((1.0, 50.0), (2.0, 100.0), (4.0, 200.0))
    assert bound.points == ((1.0, 50.0), (2.0, 70.0), (4.0, 140.0))
    assert [row[0] for row in table.rows] == [1, 2, 4]
    assert all(len(row) == len(table.columns) for row in table.rows)
