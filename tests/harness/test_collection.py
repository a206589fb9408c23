"""From what pytest collected to trials: what is accepted, selected, and in which order it comes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.collection import accept, claim_of, declared, in_order, selected
from harness.declare import Declaration
from harness.defects import CLEAN, Variation, setting
from harness.errors import UserError
from harness.options import Options
from harness.planning import Case, Need, Refusal
from harness.runtimes import Specification
from harness.trial import Trial
from tests.harness import make

ANY = setting(title="any origin", CORS_ORIGINS="*")
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
        needed = Need(runtime="process", specification=Specification(profile=profile, variation=variation))
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

    order = [trials[position].check.partition("::")[2] for position in in_order(trials)]

    assert order == [
        "refused[production]",
        "clean[production]",
        "changed[production]",
        "changed_too[production]",
        "other[production]",
        "clean[staging]",
        "changed[staging]",
    ]


def test_every_check_is_declared_once_with_its_cases_and_defects() -> None:
    cases = [trial(case="-a"), trial(case="-b"), trial(profile="staging", case="-a"), trial("test_b")]

    first, second = declared(cases)

    assert (first.check, first.cases) == ("suites/test_x.py::test_a", 2)
    assert first.defects == ((ANY.key, "any origin"),)
    assert (second.check, second.cases) == ("suites/test_x.py::test_b", 1)
    assert second.proof_profile == "production"
