"""Service levels decided on slices: what counts for a target, what against it, and what for nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from harness.load.decision import ALPHA, EXCUSED, Decision, decide
from harness.load.records import LoadResult
from harness.policy import load_policy
from tests.harness.load.results import LEVELS
from tests.harness.load.slices import BUSY, QUICK, measured, slice_

SLOW = {**QUICK, "start": (30.0,) * 25}  # 20 ms are allowed at p95, 40 at p99
VERY_SLOW = {**QUICK, "start": (900.0,) * 25}
STALLED = {**QUICK, "read": (3.0,) * 24 + (45.0,)}  # 40 ms are the bound on all steps
WITNESS_SLOW = (1.0, 12.0)


def names(decision: Decision) -> list[str]:
    return [level.name for level in decision.broken()]


def test_a_quick_target_is_within_its_levels_after_enough_requests() -> None:
    few, enough = decide([measured(4)], LEVELS), decide([measured(40)], LEVELS)

    assert not few.decided()
    assert "not decided after 2 s" in few.undecided()
    assert enough.decided()
    assert enough.undecided() == ""
    assert enough.broken() == ()


def test_each_level_that_is_broken_is_named_with_its_figures() -> None:
    decision = decide([measured(40, VERY_SLOW)], LEVELS)

    assert names(decision) == ["start: p95", "start: p99", "all steps: p99.5"]
    assert (
        str(decision.broken()[0])
        == "start: p95 is 900.0 ms, 20 are allowed (1000 of 1000 requests took longer)"
    )
    assert decision.decided()
    assert decision.undecided() == ""


def test_a_stall_that_each_step_may_have_breaks_the_bound_on_all_steps() -> None:
    calm, stalled = measured(1).slices, measured(1, STALLED).slices
    slices = (*calm, *calm, *calm, *stalled) * 40
    run = replace(measured(0), slices=tuple(replace(one, number=n) for n, one in enumerate(slices)))
    strict = replace(LEVELS, tail=replace(LEVELS.tail, share=0.001))

    assert names(decide([run], LEVELS)) == []
    assert names(decide([run], strict)) == ["all steps: p99.9"]


def test_wrong_answers_are_a_level_of_their_own() -> None:
    decision = decide([measured(40, failed=2)], LEVELS)

    assert names(decision) == ["errors"]
    assert str(decision.broken("errors")[0]) == "4.00% of 2000 requests failed, 1.00% are allowed"
    assert decision.broken("latency") == ()
    assert decision.decided("latency")
    assert decision.undecided("errors") == ""


def test_what_is_slow_beside_other_work_is_no_fault_and_no_pass() -> None:
    decision = decide([measured(60, VERY_SLOW, moment=BUSY, witness=WITNESS_SLOW)], LEVELS)

    assert decision.broken() == ()
    assert not decision.decided()
    said = decision.undecided()
    assert "60 of 60 slices of 0.5 s were disturbed" in said
    assert "the witness took more than 5 ms in 60" in said
    assert "stress used 1.50 processors for 30.0 s" in said
    assert "0 of the step 'start'" in said


def test_what_is_slow_beside_other_work_is_no_fault_though_the_witness_was_quick() -> None:
    assert decide([measured(60, VERY_SLOW, moment=BUSY)], LEVELS).broken() == ()


def test_to_be_quick_beside_other_work_is_sound() -> None:
    decision = decide([measured(40, moment=BUSY)], LEVELS)

    assert decision.decided()
    assert decision.broken() == ()


def test_what_the_witness_lost_is_excused_five_times_and_no_more() -> None:
    lost = 12.0
    within, beyond = (20 + EXCUSED * lost + by for by in (-1.0, 1.0))
    excused = decide([measured(60, {**QUICK, "start": (within,) * 25}, witness=(lost,))], LEVELS)
    charged = decide([measured(60, {**QUICK, "start": (beyond,) * 25}, witness=(lost,))], LEVELS)

    assert excused.broken() == ()
    assert not excused.decided(), "a target that disturbs the machine itself gains nothing by it"
    assert names(charged) == ["start: p95"]


@pytest.mark.parametrize(("stalled", "decided"), [(10, True), (20, False)])
def test_what_nobody_knows_the_cause_of_counts_neither_way_while_it_is_rare(
    stalled: int, *, decided: bool
) -> None:
    tail = {**QUICK, "start": (41.0,) * 25}  # without the excuse it would be a fault
    decision = decide([measured(40), measured(stalled, tail, witness=WITNESS_SLOW)], LEVELS)

    assert decision.broken() == ()
    assert decision.decided() == decided
    assert ("the target may have done it" in decision.undecided()) != decided


def test_a_late_generator_does_not_excuse_what_goes_far_beyond_its_lag() -> None:
    assert names(decide([measured(40, VERY_SLOW, late_ms=30.0)], LEVELS))[0] == "start: p95"
    assert decide([measured(40, SLOW, late_ms=30.0)], LEVELS).broken() == ()


def test_errors_beside_a_slow_witness_are_nobodys() -> None:
    assert decide([measured(60, failed=5, witness=WITNESS_SLOW)], LEVELS).broken("errors") == ()


def test_tries_that_decide_nothing_alone_decide_together() -> None:
    half = measured(14)

    assert not decide([half], LEVELS).decided("latency")
    assert decide([half, half, half], LEVELS).decided("latency")


def test_a_step_that_hardly_came_decides_nothing() -> None:
    lonely = measured(60, {"start": (5.0,) * 49, "read": (3.0,)})
    said = decide([lonely], LEVELS).undecided("latency")

    assert "too few requests: 60 of the step 'read', 100 are the least" in said


def test_without_a_slice_nothing_is_said_of_disturbances() -> None:
    empty = decide([], LEVELS)

    assert empty.disturbances() == ""
    assert empty.undecided().startswith("not decided after 0 s; too few requests")


def test_a_level_that_is_open_is_told_with_its_evidence() -> None:
    decision = decide([measured(3, STALLED)], LEVELS)

    assert (
        "all steps: p99.5 is 45.0 ms, 40 are allowed (3 of 150 requests took longer): "
        in decision.undecided()
    )
    assert "% of the evidence for it" in decision.undecided()


@pytest.mark.parametrize(("share", "broken"), [(0.01, True), (0.00125, False)])
def test_the_shipped_policy_finds_a_stall_of_one_request_in_a_hundred(share: float, *, broken: bool) -> None:
    """Of 100 measurements as long as all tries are; the stall is beyond the bound on all steps."""
    levels = load_policy("production").service_levels
    dice, found = random.Random(7), 0
    for _ in range(100):
        decision = Decision(levels)
        for number in range(120):
            latencies = {
                step: tuple(45.0 if dice.random() < share else 5.0 for _ in range(10))
                for step in levels.steps
            }
            decision.take(slice_(number, latencies))
            if decision.decided("latency"):
                break
        found += bool(decision.broken())

    assert (found >= 95) if broken else (found <= 100 * ALPHA)


def test_a_run_joins_the_moments_to_its_slices_by_the_clock_that_all_share() -> None:
    calm, busy = measured(4), measured(4, moment=BUSY)
    mixed: LoadResult = replace(calm, moments=(*calm.moments[:2], *busy.moments[2:]))

    assert decide([mixed], LEVELS).aside == 2
