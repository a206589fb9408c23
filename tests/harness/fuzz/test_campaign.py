"""Whole campaigns, in their own process, on a server with and without a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from harness.errors import ProbeFailed
from harness.fuzz import running
from harness.fuzz.levels import unfit
from harness.fuzz.records import FuzzResult
from harness.fuzz.running import fuzz
from harness.policy.searches import Fuzz
from tests.harness.fuzz.conftest import READ, TAKE, Ordering
from tests.harness.fuzz.notes import DESCRIPTION, Notes

FLOOR = Fuzz(budget_s=2.0, cases=5, successes=2)


def test_a_good_server_passes(order: Ordering) -> None:
    told: list[tuple[int, int]] = []

    result = fuzz(order(), progress=lambda cases, failures: told.append((cases, failures)))

    assert not result.failures
    assert unfit(result, FLOOR) == ""
    phases = {phase for counts in result.counts.values() for phase, tally in counts.items() if tally.cases}
    assert phases >= {"values", "examples"}
    assert told[-1] == (result.total, 0)
    assert (result.ended, result.seed) == ("", 1)


def test_a_planted_500_is_found_made_small_and_comes_first_next_time(order: Ordering, notes: Notes) -> None:
    notes.fault = "surrogates"

    (found,) = fuzz(order()).failures

    assert (found.oracle, found.detail, found.message.operation) == ("server-error", "500", TAKE)
    assert found.again is True
    assert "\\ud" in found.message.body
    assert found.message.fields == (), "not needed to show it"
    notes.seen.clear()

    again = fuzz(order(kept=((found.caller, found.message),)))

    assert notes.seen[0] == ("POST", "/notes")
    assert again.counts[TAKE]["kept"].statuses == {500: 1}
    assert [failure.id for failure in again.failures] == [found.id]


def test_one_failure_that_was_repeated_ends_a_campaign_that_looks_for_no_more(
    order: Ordering, notes: Notes
) -> None:
    notes.fault = "surrogates"

    result = fuzz(order(budget_s=10.0), until_failure=True)

    (found,) = result.failures
    assert found.again is True
    assert result.ended == "one failure is enough"
    assert not result.counts[TAKE].keys() & {"coverage", "fuzzing"}, "what comes after the failure"


def test_a_refusal_that_repeats_the_input_is_found(order: Ordering, notes: Notes) -> None:
    notes.fault = "echo"

    (found,) = fuzz(order()).failures

    assert (found.oracle, found.status) == ("echo", 422)
    assert 101 <= len(json.loads(found.message.body)["text"]) < 129, "the shortest that is tried has 129"


def test_a_run_with_401s_alone_proves_nothing(order: Ordering) -> None:
    usual = order()
    strangers = tuple(replace(caller, fields=()) for caller in usual.callers)

    result = fuzz(replace(usual, callers=strangers))

    assert result.statuses.keys() == {401}
    assert not result.failures
    assert unfit(result, FLOOR) == (
        "2 of 2 operations let fewer than 2 authenticated requests through, so nothing was tried behind "
        f"their door: {TAKE}, {READ}"
    )


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ({"paths": DESCRIPTION["paths"]}, "Unable to determine the Open API version"),
        ({**DESCRIPTION, "openapi": "9.0.0"}, "uses Open API 9.0.0"),
    ],
)
def test_a_bad_description_is_refused_before_the_first_request(
    order: Ordering, notes: Notes, description: Any, said: str
) -> None:
    with pytest.raises(ProbeFailed) as refusal:
        fuzz(order(description=description))

    assert str(refusal.value).startswith("the API description cannot be fuzzed: ")
    assert said in str(refusal.value)
    assert refusal.value.remedy == "Give a valid OpenAPI 3 document."
    assert not notes.seen


def test_a_campaign_that_is_stopped_keeps_what_it_found(
    order: Ordering, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes.fault = "surrogates"
    watches: list[Watch] = []
    monkeypatch.setattr(
        running.threading, "Timer", lambda *given: watches.append(Watch(*given)) or watches[-1]
    )

    def stop(_: int, failures: int) -> None:
        if failures:
            watches[0].ring()

    result = fuzz(order(budget_s=600.0), progress=stop)

    assert result.ended == "its process ended with status -9"
    assert "server-error" in {failure.oracle for failure in result.failures}
    assert result.total > 0
    assert "ended early" in unfit(result, FLOOR)


class Watch:
    """A timer that rings when it is told to."""

    def __init__(self, limit_s: float, then: Callable[..., None], given: tuple[Any, ...]) -> None:
        self.limit_s = limit_s
        self.ring = lambda: then(*given)

    def start(self) -> None:
        assert self.limit_s > 600.0

    def cancel(self) -> None:
        """It rings no more."""


def test_a_description_without_operations_proves_nothing(order: Ordering, notes: Notes) -> None:
    result = fuzz(order(description={**DESCRIPTION, "paths": {}}, operations=()))

    assert (result.ended, result.counts, notes.seen) == ("", {}, [])
    assert unfit(result, FLOOR) == "the description names no operation that could be fuzzed"


def test_a_campaign_that_breaks_says_how(order: Ordering) -> None:
    with pytest.raises(ProbeFailed, match=r"before its first request:\n(.|\n)*KeyError"):
        fuzz(order(description={**DESCRIPTION, "paths": {}}))


def test_quotas_are_kept(order: Ordering, notes: Notes) -> None:
    result: FuzzResult = fuzz(order(per_key=5, per_address=8, window_s=30.0))

    assert 0 < len(notes.seen) <= 8
    assert result.total == len(notes.seen)
