"""The judge: findings, declarations, proofs and waivers of a journal weighed to one verdict each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from harness import spared
from harness.declared import DeclaredCheck
from harness.judge import ControlResult, is_required, judge
from harness.records import Event, Finding, Proof, Stale
from harness.spared import Origin
from harness.verdict import Verdict
from tests.harness import make

Record = Finding | Event | Proof | DeclaredCheck
PASSED = make.finding()
BOTH = ("staging", "production")
FAILED = make.finding(Verdict.FAIL, "the origin was granted")


def result(
    *records: Record, profile: str = "production", at: datetime | None = None, **head: Any
) -> ControlResult:
    """What the judge makes of `make.CONTROL`."""
    results = judge(make.view(*records, head=make.run(**head)), make.catalogue(), at=at)
    (found,) = (r for r in results if (r.control, r.profile) == (make.CONTROL, profile))
    return found


def test_every_control_is_judged_in_every_profile() -> None:
    view = make.view(head=make.run(profiles=("testing", "production")))

    assert [(r.control, r.profile) for r in judge(view, make.catalogue())] == [
        (control, profile) for control in (make.CONTROL, make.OTHER) for profile in ("testing", "production")
    ]


def test_a_pass_with_its_proof_opens() -> None:
    found = result(make.declared(), PASSED, make.proof())

    assert (found.verdict, found.reason) == (Verdict.PASS, "")
    assert found.proven
    assert found.opens
    assert found.required


class TestVerdict:
    @pytest.mark.parametrize(
        ("verdicts", "expected"),
        [
            ([Verdict.PASS, Verdict.NOT_VERIFIED], Verdict.NOT_VERIFIED),
            ([Verdict.NOT_VERIFIED, Verdict.ERROR], Verdict.ERROR),
            ([Verdict.ERROR, Verdict.FAIL, Verdict.PASS], Verdict.FAIL),
            ([Verdict.NOT_APPLICABLE, Verdict.PASS], Verdict.PASS),
            ([Verdict.NOT_APPLICABLE], Verdict.NOT_APPLICABLE),
        ],
    )
    def test_the_worst_finding_counts(self, verdicts: list[Verdict], expected: Verdict) -> None:
        found = result(*(make.finding(v, check=f"{v.value}::t") for v in verdicts))

        assert found.verdict is expected
        assert found.opens is False

    def test_findings_of_the_self_test_do_not_count(self) -> None:
        planted = make.finding(Verdict.FAIL, defect="any origin", defect_key=make.KEY)

        assert result(PASSED, planted).verdict is Verdict.PASS

    def test_findings_of_other_profiles_do_not_count(self) -> None:
        other = make.finding(Verdict.FAIL, profile="testing")

        assert result(PASSED, other, profiles=("testing", "production")).verdict is Verdict.PASS

    def test_the_reason_is_the_first_and_counts_the_others(self) -> None:
        messages = ("one", "two", "two", "three")
        found = result(*(make.finding(Verdict.FAIL, m, check=f"{n}::t") for n, m in enumerate(messages)))

        assert found.reason == "one (and 2 more)"


class TestWhatDidNotRun:
    def test_a_check_that_did_not_run_leaves_it_open(self) -> None:
        found = result(make.declared(), make.declared(check="suites/test_cors.py::test_null"), PASSED)

        assert found.verdict is Verdict.NOT_VERIFIED
        assert found.reason == "suites/test_cors.py::test_null did not run"

    def test_so_does_a_case_that_did_not_run(self) -> None:
        found = result(make.declared(cases=3), PASSED)

        assert found.reason == f"{make.CHECK} did not run in 2 of 3 cases"

    def test_a_failure_weighs_more(self) -> None:
        assert result(make.declared(cases=2), FAILED).verdict is Verdict.FAIL

    def test_a_check_of_other_profiles_is_not_missed(self) -> None:
        found = result(make.declared(), make.declared(check="x::y", profiles=("staging",)), PASSED)

        assert found.verdict is Verdict.PASS

    @pytest.mark.parametrize(
        ("records", "head", "reason"),
        [
            ((), {}, "no check yet"),
            ((make.declared(profiles=("staging",)),), {}, "no check yet in this profile"),
            ((make.declared(),), {}, f"{make.CHECK} did not run"),
            (
                (make.declared(),),
                {"controls": ("monitoring.*",)},
                "not asked for in this run (only monitoring.*)",
            ),
        ],
    )
    def test_nothing_looked_at_is_not_verified_and_why(
        self, records: tuple[Record, ...], head: dict[str, Any], reason: str
    ) -> None:
        found = result(*records, **head)

        assert (found.verdict, found.reason) == (Verdict.NOT_VERIFIED, reason)
        assert found.required
        assert not found.opens

    def test_a_control_without_any_check_is_called_unchecked(self) -> None:
        assert result().unchecked
        assert not result(make.declared()).unchecked


class TestWhatTheLedgerKnows:
    def test_a_check_that_was_not_collected_is_missed(self) -> None:
        """Whatever left it out, `--ignore` or a file that does not parse: nine checks are not ten."""
        gone = "suites/test_cors.py::test_left_out"
        head = make.run(checks={make.CONTROL: (make.CHECK, gone)})
        view = make.view(make.declared(), make.finding(), make.proof(), head=head)

        found = next(found for found in judge(view, make.catalogue()) if found.control == make.CONTROL)

        assert found.verdict is Verdict.NOT_VERIFIED
        assert found.reason == f"{gone} was not collected: it was left out, or is gone"

    def test_what_was_collected_is_all_that_counts(self) -> None:
        head = make.run(checks={make.CONTROL: (make.CHECK,)})
        view = make.view(make.declared(), make.finding(), make.proof(), head=head)

        assert [r.verdict for r in judge(view, make.catalogue()) if r.checks] == [Verdict.PASS]


class TestSpared:
    def test_what_the_depth_left_out_is_not_decided(self) -> None:
        left = spared.left_out("x::y[production]", "production", "measuring")

        found = result(make.declared(), make.declared(check="x::y"), PASSED, left)

        assert found.verdict is Verdict.NOT_VERIFIED
        assert found.reason == "x::y was left out (measuring): --depth full decides it"

    @pytest.mark.parametrize(
        ("premise", "verdict", "inherited"),
        [
            (Verdict.PASS, Verdict.PASS, True),
            (Verdict.FAIL, Verdict.NOT_VERIFIED, False),
            (None, Verdict.NOT_VERIFIED, False),
        ],
    )
    def test_a_finding_counts_for_another_profile_as_long_as_the_premise_holds(
        self, premise: Verdict | None, verdict: Verdict, inherited: bool
    ) -> None:
        alike = make.declared(control=make.OTHER, check="x::alike", profiles=("staging",))
        about = {"control": make.OTHER, "check": "x::alike[staging]", "profile": "staging"}
        shown = [make.finding(premise, **about)] if premise else []
        origin = Origin(source="production", premise=make.OTHER)
        told = spared.inherited(f"{make.CHECK}[staging]", "staging", origin)

        view = make.view(make.declared(), alike, PASSED, told, *shown, head=make.run(profiles=BOTH))
        found = next(
            r for r in judge(view, make.catalogue()) if (r.control, r.profile) == (make.CONTROL, "staging")
        )

        assert found.verdict is verdict
        assert found.checks == ((PASSED,) if inherited else ())
        assert "inherited from production" in (found.inherited if inherited else found.reason)

    def test_a_failure_is_inherited_too(self) -> None:
        alike = make.declared(control=make.OTHER, check="x::alike", profiles=("staging",))
        shown = make.finding(control=make.OTHER, check="x::alike[staging]", profile="staging")
        told = spared.inherited(make.CHECK, "staging", Origin(source="production", premise=make.OTHER))

        view = make.view(make.declared(), alike, FAILED, told, shown, head=make.run(profiles=BOTH))

        assert judge(view, make.catalogue())[0].verdict is Verdict.FAIL


class TestNotApplicable:
    def test_where_the_control_does_not_belong(self) -> None:
        catalogue = make.catalogue(make.control(profiles=("staging", "production")))
        head = make.run(profiles=("testing",))

        (found,) = judge(make.view(make.finding(Verdict.FAIL, profile="testing"), head=head), catalogue)

        assert found.verdict is Verdict.NOT_APPLICABLE
        assert found.reason == "it applies in staging, production only"
        assert not found.required

    def test_where_the_policy_excuses_it_with_its_reason(self) -> None:
        found = result(FAILED, excused={make.CONTROL: "no browser calls it"})

        assert (found.verdict, found.reason) == (Verdict.NOT_APPLICABLE, "no browser calls it")
        assert not found.required
        assert found.opens

    def test_a_policy_that_is_none_requires_nothing(self) -> None:
        assert not is_required(make.run(policy={"production": 1}), make.CONTROL, "production")
        assert not is_required(make.run(policy={}), make.CONTROL, "production")


class TestProof:
    @pytest.mark.parametrize(
        ("proofs", "lacks"),
        [
            ([], 'the defect "any origin" was not tried'),
            ([make.proof(outcome="missed")], 'the defect "any origin" was missed'),
            ([make.proof(outcome="error")], 'the defect "any origin" was an error'),
            ([make.proof(clean=False)], 'the clean twin of "any origin" did not pass'),
            ([make.proof(defect_key="another")], 'the defect "any origin" was not tried'),
            ([make.proof(check="another::check")], 'the defect "any origin" was not tried'),
            ([make.proof(outcome="missed"), make.proof()], ""),
        ],
    )
    def test_what_it_lacks_is_said(self, proofs: list[Proof], lacks: str) -> None:
        found = result(make.declared(), PASSED, *proofs)

        assert found.verdict is Verdict.PASS
        assert found.unproven == ((lacks,) if lacks else ())
        assert found.opens is not bool(lacks)

    def test_every_defect_of_every_check_is_owed(self) -> None:
        found = result(
            make.declared(defects=((make.KEY, "any origin"), ("other", "the null origin"))),
            make.declared(check="x::y"),
            PASSED,
            make.finding(check="x::y"),
            make.proof(),
        )

        assert found.unproven == (
            'the defect "the null origin" was not tried',
            'the defect "any origin" was not tried',
        )

    def test_one_that_holds_no_more_says_why(self) -> None:
        stale = Stale(check=make.CHECK, defect_key=make.KEY, why="a.py changed")

        found = result(make.declared(), PASSED, stale=(stale,))

        assert found.unproven == ('the proof of "any origin" is stale: a.py changed',)
        assert found.untried == ((make.CHECK, make.KEY),)
        assert not found.opens

    def test_what_was_tried_and_missed_is_not_untried(self) -> None:
        assert result(make.declared(), PASSED, make.proof(outcome="missed")).untried == ()

    def test_without_a_declared_check_nothing_is_proven(self) -> None:
        assert result(PASSED).unproven == ("no check yet",)

    def test_a_proof_told_twice_is_shown_once(self) -> None:
        assert result(make.declared(), PASSED, make.proof(), make.proof()).proof == (make.proof(),)

    def test_what_is_not_required_does_not_hold_the_gate(self) -> None:
        found = result(FAILED, required=())

        assert not found.required
        assert found.opens


class TestWaiver:
    WAIVER = make.waiver_record(FAILED)

    def test_it_annotates_the_finding_and_keeps_it(self) -> None:
        found = result(make.declared(), FAILED, waivers=(self.WAIVER,))

        assert found.verdict is Verdict.WAIVED
        assert found.opens
        assert found.checks == (FAILED,)
        assert found.waiver is not None
        assert found.waiver.owner == "the owner"
        assert found.reason == (
            "the origin was granted (waived by the owner until 2027-01-31: accepted until the next release)"
        )

    def test_it_lasts_until_the_moment_given_in_utc(self) -> None:
        after = datetime(2027, 1, 31, tzinfo=UTC)

        assert result(FAILED, waivers=(self.WAIVER,), at=after).verdict is Verdict.FAIL

    @pytest.mark.parametrize(
        ("started", "verdict"),
        [
            ("2027-01-30T23:59:59Z", Verdict.WAIVED),
            ("2027-01-31T01:59:59+02:00", Verdict.WAIVED),
            ("2027-01-31T00:00:00Z", Verdict.FAIL),
            ("2027-01-30T22:00:00-02:00", Verdict.FAIL),
        ],
    )
    def test_the_runs_start_is_what_it_is_held_against(self, started: str, verdict: Verdict) -> None:
        found = result(FAILED, waivers=(self.WAIVER,), started=started)

        assert found.verdict is verdict
        assert ("expired on 2027-01-31" in found.reason) is (verdict is Verdict.FAIL)

    def test_it_reopens_when_the_failure_changes(self) -> None:
        changed = make.finding(Verdict.FAIL, "every origin was granted, with credentials")

        found = result(changed, waivers=(self.WAIVER,))

        assert found.verdict is Verdict.FAIL
        assert "a waiver stands for another finding of this control" in found.reason
        assert found.waiver is None

    def test_what_is_not_verified_may_be_accepted_for_its_reason_alone(self) -> None:
        stale = make.finding(Verdict.NOT_VERIFIED, "the advisories are 775 days old; the policy allows 30")
        older = make.finding(Verdict.NOT_VERIFIED, "the advisories are 801 days old; the policy allows 30")
        skipped = make.finding(Verdict.NOT_VERIFIED, "pip-audit skipped a-package: not on an index")
        both = make.finding(Verdict.NOT_VERIFIED, f"{skipped.message}; {stale.message}")
        waivers = (make.waiver_record(stale),)

        found = result(stale, waivers=waivers)
        assert found.verdict is Verdict.WAIVED
        assert found.opens
        assert result(older, waivers=waivers).verdict is Verdict.WAIVED
        for other in (skipped, both):
            reopened = result(other, waivers=waivers)
            assert reopened.verdict is Verdict.NOT_VERIFIED
            assert not reopened.opens
            assert "a waiver stands for another finding" in reopened.reason
        after = datetime(2028, 1, 1, tzinfo=UTC)
        assert result(stale, waivers=waivers, at=after).verdict is Verdict.NOT_VERIFIED

    def test_a_waiver_of_one_profile_says_nothing_of_another(self) -> None:
        stale = [
            make.finding(Verdict.NOT_VERIFIED, "too old", profile=name, check=f"{make.CHECK}[{name}]")
            for name in ("staging", "production")
        ]
        head = {"waivers": (make.waiver_record(stale[0]),), "profiles": ("staging", "production")}

        assert result(*stale, profile="staging", **head).verdict is Verdict.WAIVED
        assert result(*stale, profile="production", **head).verdict is Verdict.NOT_VERIFIED

    def test_one_check_waived_does_not_hide_another(self) -> None:
        other = make.finding(Verdict.NOT_VERIFIED, "too noisy", check="x::y")

        found = result(FAILED, other, waivers=(self.WAIVER,))

        assert (found.verdict, found.reason) == (Verdict.NOT_VERIFIED, "too noisy")
        assert found.waiver is None

    def test_a_waived_control_needs_no_counterexample(self) -> None:
        assert result(make.declared(), FAILED, waivers=(self.WAIVER,)).opens
