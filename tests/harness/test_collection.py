"""From what pytest collected to trials: what is accepted, selected, and in which order it comes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.collection import accept, claim_of, declared, in_order, left_out, selected, units
from harness.costs import Cost, CostClass, Costs
from harness.declare import Declaration
from harness.declared import base_of
from harness.defects import CLEAN, Variation, rollout, setting
from harness.errors import UserError
from harness.options import Options, write_due
from harness.planning import Case, Need, Refusal
from harness.runtimes import Specification
from harness.trial import Trial
from tests.harness import make

ANY = setting(title="any origin", CORS_ORIGINS="*")
CHECKED = "suites/test_x.py::test_a"
DECLARATION = Declaration(control=make.CONTROL, broken_by=(ANY,))


def trial(
    name: str = "test_a",
    profile: str = "production",
    variation: Variation | None = CLEAN,
    *,
    declaration: Declaration = DECLARATION,
    case: str = "",
) -> Trial:
    """variation None: no runtime can show it."""
    needed: Need | Refusal = Refusal(reason="no")
    if variation is not None:
        wanted = Specification(profile=profile, variation=variation)
        needed = Need(runtime="process", specification=wanted, fresh=declaration.fresh)
    return Trial(
        check=f"suites/test_x.py::{name}[{profile}{case}]",
        claim="A claim.",
        source="suites/test_x.py:1",
        declaration=declaration,
        case=Case(profile=profile),
        need=needed,
        skipped=RuntimeError,
    )


class TestAccept:
    def test_a_declared_check_with_a_claim(self) -> None:
        assert accept("x::y", "A claim.", DECLARATION, make.catalogue()) is DECLARATION

    @pytest.mark.parametrize("doc", [None, "", "  \n "])
    def test_not_without_a_claim(self, doc: str | None) -> None:
        with pytest.raises(UserError, match="x::y: a check without a claim"):
            accept("x::y", doc, DECLARATION, make.catalogue())

    def test_not_without_a_control(self) -> None:
        with pytest.raises(UserError, match="x::y: a check without a control") as refused:
            accept("x::y", "A claim.", None, make.catalogue())
        assert "@control(" in refused.value.remedy

    def test_not_for_a_control_that_nobody_knows(self) -> None:
        unknown = Declaration(control="middleware.cors.origin", broken_by=(ANY,))

        with pytest.raises(
            UserError, match=r'x::y: no control matches "middleware\.cors\.origin"'
        ) as refused:
            accept("x::y", "A claim.", unknown, make.catalogue())
        assert make.CONTROL in refused.value.remedy


def test_a_claim_is_the_first_line() -> None:
    assert claim_of("\n    A claim.\n\n    And why.\n") == "A claim."
    assert claim_of(None) == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"controls": ("middleware.*",)}, True),
        ({"controls": ("monitoring.*", "*.origins")}, True),
        ({"controls": ("monitoring.*",)}, False),
        ({"profiles": ("production",)}, True),
        ({"profiles": ("staging",)}, False),
        ({"profiles": ("staging",), "selftest": True}, False),
        ({"selftest": True}, True),
    ],
)
def test_only_what_was_asked_for_is_selected(options: dict[str, Any], expected: bool) -> None:
    assert selected(trial(), Options(**options)) is expected


@pytest.mark.parametrize(
    ("defect", "due", "expected"),
    [
        (ANY, [(CHECKED, ANY.key)], True),
        (None, [(CHECKED, ANY.key)], True),
        (ANY, [(CHECKED, "another")], False),
        (None, [(CHECKED, "another")], True),
        (ANY, [("suites/test_other.py::test_it", ANY.key)], False),
        (None, [], False),
    ],
)
def test_of_a_self_test_only_the_defects_that_are_due_are_selected_with_their_clean_twins(
    tmp_path: Path, defect: Variation | None, due: list[tuple[str, str]], expected: bool
) -> None:
    write_due(tmp_path / "due", due)
    case = Case(profile="production", defect=defect, selftest=True)

    one = replace(trial(), case=case)

    assert base_of(one.check) == CHECKED
    assert selected(one, Options(selftest=True, due=tmp_path / "due")) is expected


def test_a_profile_is_done_before_the_next_and_its_own_deployment_first() -> None:
    trials = [
        trial("changed", "staging", ANY),
        trial("clean", "staging"),
        trial("changed", "production", ANY),
        trial("refused", "production", None),
        trial("other", "production", setting(X=1)),
        trial("changed_too", "production", ANY),
        trial("clean", "production"),
    ]

    order = [trials[position].check.partition("::")[2] for position in in_order(trials, Costs())]

    assert order == [
        "refused[production]",
        "clean[production]",
        "changed[production]",
        "changed_too[production]",
        "other[production]",
        "clean[staging]",
        "changed[staging]",
    ]


def test_on_one_deployment_planted_defects_come_last_the_same_ones_together() -> None:
    abrupt, cold = rollout("", "abrupt"), rollout("", "cold")
    trials = [
        releasing("cut off", abrupt),
        releasing("clean"),
        releasing("cold", cold),
        releasing("killed", abrupt),
        releasing("clean too"),
    ]

    order = [trials[position].check for position in in_order(trials, Costs())]

    assert order == ["clean", "clean too", "cut off", "killed", "cold"]


def test_on_one_deployment_what_dirties_it_comes_after_the_rest() -> None:
    dirty = replace(DECLARATION, fresh=True)
    trials = [trial("kills", declaration=dirty), trial("asks"), trial("kills_too", declaration=dirty)]

    assert in_order(trials, Costs()) == [1, 0, 2]


def releasing(name: str, releases: Variation = CLEAN) -> Trial:
    clean = trial()
    assert isinstance(clean.need, Need)
    return replace(clean, check=name, need=replace(clean.need, planted=releases))


def test_every_check_is_declared_once_with_its_cases_and_defects() -> None:
    cases = [trial(case="-a"), trial(case="-b"), trial(profile="staging", case="-a"), trial("test_b")]

    first, second = declared(cases)

    assert (first.check, first.cases) == ("suites/test_x.py::test_a", 2)
    assert first.defects == ((ANY.key, "any origin"),)
    assert (second.check, second.cases) == ("suites/test_x.py::test_b", 1)
    assert second.proof_profile == "production"


def test_measurements_come_last() -> None:
    trials = [trial("measured"), trial("asked")]
    costs = Costs([Cost(check="suites/test_x.py::measured", cost="measuring")])

    assert in_order(trials, costs) == [1, 0]


@pytest.mark.parametrize(
    ("cost", "options", "expected"),
    [
        ("measuring", {"depth": "gate"}, "measuring"),
        ("rollout", {"depth": "gate"}, "rollout"),
        ("waiting", {"depth": "gate"}, None),
        ("measuring", {"depth": "full"}, None),
        ("measuring", {"depth": "gate", "selftest": True}, None),
    ],
)
def test_the_depth_gate_leaves_out_what_measures_or_rolls_out(
    cost: CostClass, options: dict[str, Any], expected: str | None
) -> None:
    costs = Costs([Cost(check="suites/test_x.py::test_a", cost=cost)])

    assert left_out(trial(), Options(**options), costs) == expected


def home_of(trial: Trial) -> str:
    assert isinstance(trial.need, Need)
    return trial.need.group


def test_trials_of_a_changed_deployment_are_one_unit_and_those_of_a_shared_one_are_not() -> None:
    fresh = replace(DECLARATION, fresh=True)
    trials = [
        trial("refused", variation=None),
        trial("clean"),
        trial("changed", variation=ANY),
        trial("changed_too", variation=ANY),
        trial("clean_too"),
        trial("dirties", declaration=fresh),
    ]
    costs = Costs([Cost(check="suites/test_x.py::changed", cost="waiting", seconds={"production": 7.0})])

    found = units(trials, costs)

    assert [unit.items for unit in found] == [(0,), (1,), (2, 3), (4,), (5,)]
    assert [unit.home for unit in found[:3]] == ["", home_of(trials[1]), ""]
    assert found[1].home == found[3].home == found[4].home
    assert [unit.late for unit in found] == [False, False, False, False, True]
    assert (found[2].cost, found[2].seconds) == ("waiting", 10.0)
