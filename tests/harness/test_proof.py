"""Proofs: made of a self-test's findings."""

from __future__ import annotations

from typing import Any

import pytest

from harness import proof
from harness.records import Finding
from harness.verdict import Verdict
from tests.harness import make

CLEAN = make.finding(check=f"{make.CHECK}[production-clean]")


def planted(verdict: Verdict = Verdict.FAIL, message: str = "", case: str = "any") -> Finding:
    return make.finding(
        verdict,
        message,
        check=f"{make.CHECK}[production-{case}]",
        defect="any origin",
        defect_key=make.KEY,
        runtime="containers",
    )


def proofs(*findings: Finding) -> list[tuple[str, str, bool]]:
    made = proof.proofs_of(make.view(make.declared(), *findings))
    return [(each.outcome, each.message, each.clean) for each in made]


class TestMade:
    def test_a_defect_that_fails_the_check_is_caught(self) -> None:
        (made,) = proof.proofs_of(
            make.view(make.declared(), CLEAN, planted(Verdict.FAIL, "it was granted"), head=make.run())
        )

        assert made == make.proof(message="it was granted", runtime="containers")

    @pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.NOT_APPLICABLE])
    def test_one_that_it_does_not_see_is_missed(self, verdict: Verdict) -> None:
        assert proofs(CLEAN, planted(verdict)) == [("missed", f"the check came to {verdict.value}", True)]

    @pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.NOT_VERIFIED])
    def test_one_that_breaks_the_check_is_an_error_and_no_catch(self, verdict: Verdict) -> None:
        assert proofs(CLEAN, planted(verdict, "odd")) == [("error", f"{verdict.value}: odd", True)]

    @pytest.mark.parametrize(
        ("verdict", "outcome"),
        [
            (Verdict.NOT_VERIFIED, "caught"),
            (Verdict.PASS, "missed"),
            (Verdict.FAIL, "missed"),
            (Verdict.ERROR, "error"),
        ],
    )
    def test_one_that_takes_the_checks_sight_away_must_leave_it_undecided(
        self, verdict: Verdict, outcome: str
    ) -> None:
        view = make.view(make.declared(blinding=(make.KEY,)), CLEAN, planted(verdict, "no data"))

        (made,) = proof.proofs_of(view)
        assert (made.outcome, made.clean) == (outcome, True)

    def test_one_case_that_fails_is_enough_but_none_may_be_an_error(self) -> None:
        passed, failed = planted(Verdict.PASS, case="a"), planted(Verdict.FAIL, "seen", case="b")

        assert proofs(CLEAN, passed, failed) == [("caught", "seen", True)]
        assert proofs(CLEAN, failed, planted(Verdict.ERROR, case="c"))[0][0] == "error"

    def test_a_twin_that_fails_too_spoils_it(self) -> None:
        spoilt = make.finding(Verdict.FAIL, "always", check=CLEAN.check)

        assert proofs(CLEAN, spoilt, planted(Verdict.FAIL, "seen")) == [
            ("caught", "seen; its clean twin: fail: always", False)
        ]

    def test_without_a_twin_it_is_not_clean(self) -> None:
        assert proofs(planted(Verdict.FAIL, "seen")) == [
            ("caught", "seen; its clean twin: did not run", False)
        ]

    def test_what_was_not_tried_has_no_proof(self) -> None:
        assert proofs(CLEAN) == []


class TestDecided:
    def tried(self, *findings: Finding, **declared: Any) -> proof.Tried:
        (made,) = proof.tried_in(make.view(make.declared(**declared), *findings))
        return made

    def test_what_came_to_a_verdict_with_the_defect_and_without_is_decided_and_timed(self) -> None:
        made = self.tried(CLEAN, planted(Verdict.FAIL, "seen"))

        assert made == proof.Tried(proof=made.proof, seconds=0.5, clean_seconds=0.5, decided=True)

    @pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL])
    @pytest.mark.parametrize("clean", [Verdict.FAIL, Verdict.NOT_APPLICABLE])
    def test_so_is_what_was_missed_or_has_a_twin_that_fails(self, verdict: Verdict, clean: Verdict) -> None:
        assert self.tried(make.finding(clean, check=CLEAN.check), planted(verdict)).decided

    @pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.NOT_VERIFIED])
    def test_an_error_or_no_verdict_decides_nothing(self, verdict: Verdict) -> None:
        assert not self.tried(CLEAN, planted(verdict)).decided
        assert not self.tried(make.finding(verdict, check=CLEAN.check), planted()).decided

    def test_without_every_case_nothing_is_decided(self) -> None:
        both = planted(case="a"), planted(case="b")
        twin = make.finding(check=f"{make.CHECK}[production-clean-b]")

        assert not self.tried(CLEAN, planted(case="a"), cases=2).decided
        assert not self.tried(CLEAN, *both, cases=2).decided
        assert self.tried(CLEAN, twin, *both, cases=2).decided
        assert not self.tried(planted()).decided
