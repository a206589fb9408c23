"""A run held against service levels: what holds, what does not, and when nothing can be said."""

from __future__ import annotations

from typing import Any

import pytest

from harness.load.levels import broken, error_share, rows, unfit
from tests.harness.load.results import LEVELS, encoded, result, step


def test_a_run_within_its_levels_is_fit_and_breaks_nothing() -> None:
    assert unfit(result(), LEVELS) == ""
    assert broken(result(), LEVELS) == []


def test_a_stall_of_one_request_in_seventy_breaks_the_bound_on_all_steps_alone() -> None:
    stalled = result(steps=(step("start", [5.0] * 295 + [45.0] * 5), step("read", [3.0] * 296 + [45.0] * 4)))

    assert broken(stalled, LEVELS) == [
        "all steps: p99.5 is 45.0 ms, 40 are allowed (9 of 600 requests took longer)"
    ]


def test_each_percentile_that_is_over_is_named() -> None:
    first, second, all_ = broken(
        result(steps=(step("start", [50.0] * 100), step("read", [3.0] * 100))), LEVELS
    )

    assert "start: p95 is 50.0 ms, 20 are allowed (100 of 100" in first
    assert "start: p99 is 50.0 ms, 40 are allowed" in second
    assert "all steps: p99.5 is 50.0 ms, 40 are allowed (100 of 200" in all_


@pytest.mark.parametrize(
    ("slow", "said"),
    [
        (3, ""),
        (4, "too few samples to tell: all steps: p99.5 is 45.0 ms, 40 are allowed (4 of 604"),
        (8, "too few samples to tell"),
        (9, ""),
    ],
)
def test_what_chance_may_have_brought_beyond_a_bound_is_no_verdict(slow: int, said: str) -> None:
    run = result(
        steps=(
            step("start", [5.0] * 300 + [45.0] * (slow // 3)),
            step("read", [3.0] * 300 + [45.0] * (slow - slow // 3)),
        )
    )

    assert said in unfit(run, LEVELS)
    assert (unfit(run, LEVELS) == "") == (said == "")
    assert bool(broken(run, LEVELS)) == (slow == 9)


def test_wrong_answers_are_counted_against_all_that_were_begun() -> None:
    wrong = result(steps=(step("start", [5.0] * 100, {"Wrong: status 503": 3}), step("read", [3.0] * 100)))

    assert error_share(wrong) == pytest.approx(0.015)
    assert broken(wrong, LEVELS) == ["1.50% of the requests failed (3 Wrong: status 503), 1.00% are allowed"]


def test_an_empty_run_has_no_share_of_errors() -> None:
    assert error_share(result(steps=())) == 0.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"lag": encoded([0.1] * 90 + [3.0] * 10)}, "too slow: 3.0 ms late (p99), 2 are allowed"),
        ({"planned": 300}, "too slow: 67% of 300 planned requests were begun"),
        ({"steps": ()}, "no plan"),
        ({"planned": 0}, "no plan"),
        (
            {"steps": (step("start", [5.0] * 99), step("read", [3.0] * 100))},
            "99 requests of the step 'start'",
        ),
        ({"steps": (step("start", [5.0] * 100),)}, "0 requests of the step 'read'"),
        ({"ended": "it was stopped"}, "ended early: it was stopped"),
    ],
)
def test_a_run_that_can_decide_nothing_says_why(given: dict[str, Any], told: str) -> None:
    assert told in unfit(result(**given), LEVELS)


def test_a_long_service_level_allows_a_longer_lag() -> None:
    import dataclasses

    slow = {name: dataclasses.replace(one, p95_ms=500.0, p99_ms=900.0) for name, one in LEVELS.steps.items()}

    assert unfit(result(lag=encoded([3.0] * 200)), dataclasses.replace(LEVELS, steps=slow)) == ""


def test_rows_come_in_the_policys_order_and_strangers_last() -> None:
    mixed = result(steps=(step("odd", [1.0]), step("read", [3.0] * 100), step("start", [5.0] * 100)))

    found = rows(mixed, LEVELS)

    assert [row.step for row in found] == ["start", "read", "odd"]
    assert found[-1].level is None
    assert found[-1].bounds == ()
    assert (found[0].samples, found[0].p50) == (100, pytest.approx(5.0, rel=0.001))


SLOW = (step("start", [900.0] * 100), step("read", [3.0] * 100))


@pytest.mark.parametrize(
    ("given", "excused"),
    [
        ({"idle": 0.5, "steps": SLOW}, False),
        ({"idle": 0.05, "steps": SLOW}, True),
        ({"idle": 0.5}, True),
        ({"idle": 0.5, "steps": (step("start", [45.0] * 100), step("read", [3.0] * 100))}, True),
    ],
)
def test_a_late_generator_does_not_excuse_what_goes_far_beyond_its_lag(
    given: dict[str, Any], excused: bool
) -> None:
    overloaded = result(lag=encoded([1.0] * 90 + [30.0] * 10), **given)

    assert ("too slow" in unfit(overloaded, LEVELS)) == excused
    assert excused or broken(overloaded, LEVELS)
