"""The algebra of verdicts: worst wins, and nothing at all is an error."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.verdict import Verdict, worst

SOME = st.lists(st.sampled_from(Verdict), min_size=1, max_size=8)
ORDER = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.NOT_VERIFIED,
    Verdict.WAIVED,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)


def test_nothing_at_all_is_an_error() -> None:
    assert worst([]) is Verdict.ERROR


@pytest.mark.parametrize(("worse", "better"), list(pairwise(ORDER)))
def test_each_verdict_gives_way_to_the_next_worse(worse: Verdict, better: Verdict) -> None:
    assert worst([better, worse]) is worst([worse, better]) is worse


@given(SOME, st.randoms())
def test_neither_order_nor_repetition_matters(verdicts: list[Verdict], random: Random) -> None:
    shuffled = [*verdicts, *verdicts]
    random.shuffle(shuffled)

    assert worst(shuffled) is worst(verdicts)


@given(SOME, SOME)
def test_parts_can_be_judged_first(one: list[Verdict], other: list[Verdict]) -> None:
    assert worst([*one, *other]) is worst([worst(one), worst(other)])


@given(SOME)
def test_it_is_one_of_them_and_none_is_worse(verdicts: list[Verdict]) -> None:
    found = worst(verdicts)

    assert found in verdicts
    assert all(ORDER.index(found) <= ORDER.index(verdict) for verdict in verdicts)


@given(SOME)
def test_a_pass_hides_nothing_but_what_does_not_apply(verdicts: list[Verdict]) -> None:
    if worst(verdicts) is Verdict.PASS:
        assert set(verdicts) <= {Verdict.PASS, Verdict.NOT_APPLICABLE}
