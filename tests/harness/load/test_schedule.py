"""When requests are due."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.schedule import Phase, due_times, planned


def test_a_steady_rate_is_evenly_spaced() -> None:
    due = list(due_times([Phase(for_s=2, from_rate=5, to_rate=5)]))

    assert due == pytest.approx([number / 5 for number in range(10)])


def test_a_ramp_has_its_area_in_requests_and_its_rate_at_every_second() -> None:
    due = list(due_times([Phase(for_s=10, from_rate=0, to_rate=100)]))

    assert len(due) == 500
    for second in range(10):
        inside = sum(second <= at < second + 1 for at in due)
        assert abs(inside - (10 * second + 5)) <= 1, "the rate at its middle"


def test_phases_follow_one_another_and_share_what_is_left_over() -> None:
    phases = [Phase(for_s=0.25, from_rate=2, to_rate=2), Phase(for_s=1, from_rate=10, to_rate=10)]

    assert list(due_times(phases))[:3] == pytest.approx([0.0, 0.3, 0.4]), "half a request was due before"


def test_a_phase_without_a_rate_is_a_pause() -> None:
    pause = Phase(for_s=3, from_rate=0, to_rate=0)
    rate = Phase(for_s=1, from_rate=2, to_rate=2)

    assert list(due_times([pause, rate])) == pytest.approx([3.0, 3.5])


RATES = st.floats(0, 200)
PHASES = st.lists(
    st.builds(Phase, for_s=st.floats(0.1, 5), from_rate=RATES, to_rate=RATES), min_size=1, max_size=4
)


@given(PHASES)
def test_every_plan_is_in_order_within_its_time_and_of_its_size(phases: list[Phase]) -> None:
    due = list(due_times(phases))

    assert due == sorted(due)
    assert all(0 <= at <= sum(phase.for_s for phase in phases) + 1e-6 for at in due)
    assert abs(len(due) - sum(phase.arrivals for phase in phases)) <= 1
    assert planned(phases) == len(due)


def test_by_chance_requests_meet_in_their_order_and_number() -> None:
    phases = [Phase(for_s=10, from_rate=50, to_rate=50), Phase(for_s=10, from_rate=50, to_rate=0)]
    chance = random.Random(1).random

    due = list(due_times(phases, chance))

    assert len(due) == planned(phases)
    assert due == sorted(due)
    assert all(abs(due[n] - n / 50) < 0.08 for n in range(500))
    near = sum(b - a < 0.002 for a, b in pairwise(due[:500]))
    assert near > 20, "a tenth of a turn apart"


def test_one_phase_may_come_twice_in_a_plan() -> None:
    burst, pause = Phase(for_s=1, from_rate=2, to_rate=2), Phase(for_s=3, from_rate=0, to_rate=0)

    assert list(due_times([burst, pause, burst])) == pytest.approx([0.0, 0.5, 4.0, 4.5])
