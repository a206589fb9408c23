"""A run's figures beside the service levels, and whether the load really happened."""

from __future__ import annotations

from typing import Any

import pytest

from harness.load.levels import error_share, rows, undelivered
from tests.harness.load.results import LEVELS, result, step


def test_a_run_that_carried_its_plan_out_was_delivered() -> None:
    assert undelivered(result()) == ""


def test_wrong_answers_are_counted_against_all_that_were_begun() -> None:
    wrong = result(steps=(step("start", [5.0] * 100, {"Wrong: status 503": 3}), step("read", [3.0] * 100)))

    assert error_share(wrong) == pytest.approx(0.015)


def test_an_empty_run_has_no_share_of_errors() -> None:
    assert error_share(result(steps=())) == 0.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"planned": 300}, "too slow: 67% of 300 planned requests were begun"),
        ({"steps": ()}, "no plan"),
        ({"planned": 0}, "no plan"),
        ({"ended": "it was stopped"}, "ended early: it was stopped"),
    ],
)
def test_a_load_that_did_not_happen_says_why(given: dict[str, Any], told: str) -> None:
    assert told in undelivered(result(**given))


def test_rows_come_in_the_policys_order_and_strangers_last() -> None:
    mixed = result(steps=(step("odd", [1.0]), step("read", [3.0] * 100), step("start", [5.0] * 100)))

    found = rows(mixed, LEVELS)

    assert [row.step for row in found] == ["start", "read", "odd"]
    assert found[-1].level is None
    assert (found[0].samples, found[0].p50) == (100, pytest.approx(5.0, rel=0.001))
