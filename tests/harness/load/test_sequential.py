"""The two sequential tests of a bound, against what can be reckoned by hand, and by simulation."""

from __future__ import annotations

import random
from collections import Counter
from math import exp, log

import pytest

from harness.load.sequential import BETA, CLUSTER, Excess, needed

SHARE = 0.01
ALPHA = 0.01
SLICE, MOST = 20, 400


def test_evidence_for_a_bound_grows_with_each_quick_request_and_does_not_depend_on_the_slices() -> None:
    whole, parts = Excess(share=SHARE), Excess(share=SHARE)
    whole.credit(0, 300)
    for _ in range(30):
        parts.credit(0, 10)

    assert whole.support == pytest.approx(parts.support)
    assert whole.support > 0


def test_some_hundred_quick_requests_refute_twice_the_share() -> None:
    excess, requests = Excess(share=SHARE, cluster=1), 0
    while not excess.holds():
        excess.credit(0, 1)
        requests += 1

    # Without one slow request of n, a share of 2 % is refuted where 0.98 ** n < BETA; a few more, because
    # a slow one that comes now and then is not to end it.
    assert 0.98**requests < BETA
    assert requests < 1.2 * log(BETA) / log(0.98)


def test_a_slow_request_takes_evidence_away_and_a_cluster_takes_no_more_than_one_cause_may() -> None:
    one, three, four = (Excess(share=SHARE) for _ in range(3))
    one.credit(1, 0)
    three.credit(CLUSTER, 0)
    four.credit(CLUSTER + 1, 0)

    assert 0 > one.support > three.support > four.support
    assert four.support == pytest.approx(one.support + three.support)


def test_a_cluster_counts_against_the_target_as_two_requests_at_most() -> None:
    two, twenty = Excess(share=SHARE), Excess(share=SHARE)
    two.charge(2, 20)
    twenty.charge(20, 20)

    assert twenty.against == pytest.approx(two.against)


def test_where_the_rate_is_high_a_slice_counts_as_four_times_the_share() -> None:
    many = Excess(share=0.05)
    many.charge(1000, 1000)

    assert exp(many.against) == pytest.approx((1 + 0.375 + 1 + 0.75 + 1 + 1.5) / 3)


def test_nothing_is_known_without_requests() -> None:
    nothing = Excess(share=SHARE)
    nothing.charge(0, 0)
    nothing.credit(0, 0)

    assert nothing.against == pytest.approx(0)
    assert nothing.support == 0
    assert not nothing.broken(ALPHA)
    assert not nothing.holds()


def test_half_of_the_requests_may_be_slow_where_that_is_the_bound() -> None:
    excess = Excess(share=0.5)
    for _ in range(20):
        excess.credit(0, 10)

    assert excess.holds()
    assert needed(0.5) == pytest.approx(log(2))


def outcomes(times: float, *, cluster: int = 1, runs: int = 400) -> Counter[str]:
    """What becomes of targets with so many times the share slow."""
    dice = random.Random(4)
    return Counter(outcome(dice, times * SHARE / cluster, cluster) for _ in range(runs))


def outcome(dice: random.Random, chance: float, cluster: int) -> str:
    excess = Excess(share=SHARE)
    for _ in range(MOST):
        slow = min(cluster * sum(dice.random() < chance for _ in range(SLICE)), SLICE)
        excess.charge(slow, SLICE)
        excess.credit(slow, SLICE)
        if excess.broken(ALPHA):
            return "broken"
        if excess.holds():
            return "holds"
    return "open"


@pytest.mark.parametrize("cluster", [1, 2, CLUSTER])
def test_with_twice_the_share_fewer_than_one_of_twenty_pass(cluster: int) -> None:
    assert outcomes(2.0, cluster=cluster)["holds"] / 400 < 0.05


@pytest.mark.parametrize("times", [0.5, 1.0])
def test_what_keeps_the_bound_is_found_to_break_it_in_fewer_than_one_of_a_hundred(times: float) -> None:
    assert outcomes(times)["broken"] / 400 <= ALPHA


def test_healthy_and_broken_targets_are_told_apart() -> None:
    assert outcomes(0.25, runs=50) == {"holds": 50}
    assert outcomes(5.0, runs=50) == {"broken": 50}
