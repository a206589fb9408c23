"""Releases in a row: their order, and which of them ended as it must."""

from __future__ import annotations

import pytest

from harness.releases.entries import Mark, Outcome, Result, Step, Stepped
from suites.releases import FAILING, FORGETTING, GOOD, UNREADY
from suites.series import KINDS, late, order_of, right

BEFORE, OWN = "1.0.0", "2.0.0"


def outcome(result: Result, *, met: bool, serving: str = BEFORE) -> Outcome:
    marks: tuple[Mark, ...] = ("begun", "done") if met else ()
    return Outcome(
        operation="release",
        version=OWN,
        before=BEFORE,
        result=result,
        why="",
        serving=serving,
        steps=tuple(Stepped(step=Step.SWITCH, mark=mark, at=1.0) for mark in marks),
        began=0.0,
        ended=2.0,
    )


TAKEN, LEFT, NEVER_MET = (
    outcome("taken", met=True, serving=OWN),
    outcome("returned", met=True),
    outcome("returned", met=False),
)
STAYS = outcome("failed", met=True, serving=OWN)


@pytest.mark.parametrize(
    ("kind", "found"), [(GOOD, TAKEN), (FAILING, LEFT), (UNREADY, NEVER_MET), (FORGETTING, NEVER_MET)]
)
def test_each_kind_ends_in_one_way(kind: str, found: Outcome) -> None:
    every = (TAKEN, LEFT, NEVER_MET, STAYS)

    assert [one for one in every if right(kind, one)] == [found]
    assert not late(kind, found)


def test_a_release_that_was_to_be_met_and_was_not_may_have_been_slow() -> None:
    assert [kind for kind in KINDS if late(kind, NEVER_MET)] == [GOOD, FAILING]
    assert [kind for kind in KINDS if late(kind, LEFT)] == [GOOD]
    assert not any(late(kind, one) for kind in KINDS for one in (TAKEN, STAYS))


@pytest.mark.parametrize("number", [1, 4, 20])
def test_each_kind_comes_once_at_least_in_an_order_of_chance(number: int) -> None:
    orders = {tuple(order_of(seed, number)) for seed in range(20)}

    assert all(set(order) == set(KINDS) for order in orders)
    assert {len(order) for order in orders} == {max(number, len(KINDS))}
    assert len(orders) > 10
    assert order_of(7, number) == order_of(7, number)
