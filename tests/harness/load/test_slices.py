"""Requests by the slice that they were due in, while they come and go."""

from __future__ import annotations

from harness.load.slices import Slices


def test_a_slice_is_over_when_all_that_was_due_in_it_is_answered_and_the_plans_are_beyond_it() -> None:
    slices = Slices("target", "witness")
    slices.begun(0.1, 0.001)
    slices.begun(0.2, 0.004, "witness")
    assert list(slices.over()) == []
    slices.answered(0.1, "start", 7.0, failed=False)
    slices.begun(0.6, 0.0)
    assert list(slices.over()) == [], "the witness has not got beyond it"
    slices.begun(0.7, 0.0, "witness")
    assert list(slices.over()) == [], "one of the witness's is under way"
    slices.witnessed(0.2, 1.5)

    (first,) = slices.over()

    assert first.number == 0
    assert first.latencies == {"start": (7.0,)}
    assert first.witness == (1.5,)
    assert first.late_ms == 4.0
    assert first.failed == 0
    assert list(slices.over()) == []


def test_at_the_end_those_are_left_out_that_are_not_over() -> None:
    slices = Slices("target")
    for due in (0.1, 0.6, 1.1):
        slices.begun(due, 0.0)
    slices.answered(0.1, "start", 5.0, failed=True)
    slices.answered(1.1, "start", 5.0, failed=False)

    (first,) = slices.all()

    assert (first.number, first.failed, first.requests) == (0, 1, 1)
    slices.answered(0.6, "read", 400.0, failed=False)
    assert [one.number for one in slices.all()] == [0, 1, 2]


def test_seconds_in_which_nothing_was_due_are_slices_too() -> None:
    slices = Slices("target")
    slices.begun(0.1, 0.0)
    slices.answered(0.1, "start", 5.0, failed=False)
    slices.begun(1.6, 0.0)

    assert [one.requests for one in slices.over()] == [1, 0, 0]
