"""The gate: it opens on proven passes and valid waivers alone, and says why it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.declared import DeclaredCheck
from harness.gate import CLOSED, OPEN, UNDECIDED, Decision, decide, decide_executed
from harness.judge import ControlResult, judge
from harness.records import INTERRUPTED, UNSOUND, Event, Finding, Proof, Stale
from harness.verdict import Verdict
from tests.harness import make

PASSED = make.finding()
FAILED = make.finding(Verdict.FAIL, "the origin was granted")
PROVEN = (make.declared(), PASSED, make.proof())


def decided(
    *records: Finding | Event | Proof | DeclaredCheck, problems: tuple[str, ...] = (), **head: Any
) -> Decision:
    view = make.view(*records, head=make.run(**head), problems=problems)
    return decide(view, judge(view, make.catalogue()))


def executed(
    *records: Finding, problems: tuple[str, ...] = (), at: datetime | None = None, **head: Any
) -> Decision:
    return decide_executed(make.view(*records, head=make.run(**head), problems=problems), at=at)


class TestDecide:
    def test_a_proven_pass_opens(self) -> None:
        assert decided(*PROVEN) == Decision(status=OPEN, why=())

    def test_a_failure_closes_and_is_named(self) -> None:
        decision = decided(make.declared(), FAILED, make.proof())

        assert decision.status == CLOSED
        assert decision.why == ("middleware.cors.origins in production: fail: the origin was granted",)

    def test_a_valid_waiver_opens(self) -> None:
        waiver = make.waiver_record(FAILED)

        assert decided(FAILED, waivers=(waiver,)).status == OPEN

    @pytest.mark.parametrize(
        "expires", ["2026-11-24T01:53:05.120Z", "2026-11-24T03:53:05.120+02:00", "2020-01-01T00:00:00Z"]
    )
    def test_an_expired_one_does_not(self, expires: str) -> None:
        waiver = make.waiver_record(FAILED, expires=expires)

        assert decided(FAILED, waivers=(waiver,)).status == CLOSED

    def test_a_pass_whose_proof_failed_is_a_doubt(self) -> None:
        decision = decided(make.declared(), PASSED, make.proof(outcome="missed"))

        assert decision.status == UNDECIDED
        assert 'passed, but is not proven: the defect "any origin" was missed' in decision.why[0]

    @pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.NOT_VERIFIED, Verdict.NOT_APPLICABLE])
    def test_what_is_neither_shown_nor_failed_is_a_doubt(self, verdict: Verdict) -> None:
        decision = decided(make.declared(), make.finding(verdict, "odd"), make.proof())

        assert decision.status == UNDECIDED
        assert decision.why == (f"middleware.cors.origins in production: {verdict.value}: odd",)

    def test_a_failure_weighs_more_than_a_doubt_and_stands_first(self) -> None:
        decision = decided(FAILED, required=(make.OTHER, make.CONTROL), problems=("main.jsonl: cut off",))

        assert decision.status == CLOSED
        assert [reason.partition(":")[0] for reason in decision.why] == [
            "middleware.cors.origins in production",
            "the journal is incomplete or edited",
            "middleware.cors.methods in production",
        ]

    def test_what_is_not_required_does_not_matter(self) -> None:
        other = make.finding(Verdict.FAIL, control=make.OTHER)

        assert decided(*PROVEN, other).status == OPEN

    def test_a_journal_that_is_incomplete_does_not_open(self) -> None:
        decision = decided(*PROVEN, problems=("main.jsonl: it has no end", "x.jsonl: missing"))

        assert decision.status == UNDECIDED
        assert decision.why == (
            "the journal is incomplete or edited: main.jsonl: it has no end; x.jsonl: missing",
        )

    @pytest.mark.parametrize(
        ("event", "why"),
        [
            (Event(name=INTERRUPTED), "the run was interrupted"),
            (
                Event(name=UNSOUND, detail={"what": "2 containers stay"}),
                "the run did not end as it should: 2",
            ),
        ],
    )
    def test_a_run_that_did_not_end_well_does_not_open(self, event: Event, why: str) -> None:
        """However it is decided on: the journal tells."""
        assert decided(*PROVEN, event).status == UNDECIDED
        assert decide_executed(make.view(*PROVEN, event)).status == UNDECIDED
        assert decided(*PROVEN, event).why[0].startswith(why)

    def test_the_journal_of_a_self_test_does_not_open(self) -> None:
        assert decided(*PROVEN, kind="selftest").status == UNDECIDED

    def test_an_empty_run_does_not_open(self) -> None:
        decision = decided(required=())

        assert decision.status == UNDECIDED
        assert len(decision.why) == 2

    def test_a_run_of_planted_defects_alone_is_empty(self) -> None:
        planted = make.finding(Verdict.FAIL, defect="any origin", defect_key=make.KEY)

        assert "nothing ran" in decided(planted).why[0]

    def test_a_policy_that_requires_nothing_does_not_open(self) -> None:
        assert decided(*PROVEN, required=()).why == (
            "no control is required: such a gate would open for anything",
        )

    def test_excusing_everything_does_not_open(self) -> None:
        assert decided(*PROVEN, excused={make.CONTROL: "no"}).status == UNDECIDED


class TestMissingProofs:
    """One cause is one line, however many controls lack a proof by it."""

    CHECKS = (
        make.declared(defects=((make.KEY, "any origin"), ("b", "null origin"))),
        make.declared(
            control=make.OTHER, check="suites/test_methods.py::test_it", defects=(("c", "any method"),)
        ),
    )
    PASSES = (PASSED, make.finding(control=make.OTHER, check="suites/test_methods.py::test_it[production]"))
    REQUIRED = (make.CONTROL, make.OTHER)

    def why(self, *proofs: Proof, stale: tuple[Stale, ...] = (), **environment: Any) -> tuple[str, ...]:
        decision = decided(
            *self.CHECKS,
            *self.PASSES,
            *proofs,
            required=self.REQUIRED,
            stale=stale,
            environment=environment,
        )
        assert decision.status == UNDECIDED
        return decision.why

    def test_no_proofs_at_all_are_said_once_with_what_the_run_was_told(self) -> None:
        assert self.why() == ("no proofs: run `make selftest`",)
        assert self.why(proofs="no proof counts: line 3: edited; run x") == (
            "no proof counts: line 3: edited; run x",
        )

    def test_stale_ones_are_counted_by_what_changed(self) -> None:
        stale = [
            Stale(check=make.CHECK, defect_key=make.KEY, why="a.py changed"),
            Stale(check=make.CHECK, defect_key="b", why="b.py changed"),
            Stale(check="suites/test_methods.py::test_it", defect_key="c", why="a.py changed"),
            Stale(check="suites/test_other.py::test_it", defect_key="d", why="a.py changed"),
        ]

        assert self.why(stale=tuple(stale)) == (
            "2 proofs are stale: a.py changed; run `harness selftest --if-stale`",
            "1 proof is stale: b.py changed; run `harness selftest --if-stale`",
        )

    def test_what_was_never_tried_is_counted_beside_them(self) -> None:
        stale = Stale(check=make.CHECK, defect_key="b", why="b.py changed")

        assert self.why(make.proof(), stale=(stale,)) == (
            "1 proof is stale: b.py changed; run `harness selftest --if-stale`",
            "1 defect was never tried; run `harness selftest --if-stale`",
        )

    def test_one_that_was_missed_is_named_by_its_control(self) -> None:
        assert self.why(make.proof(outcome="missed")) == (
            "1 defect was never tried; run `harness selftest --if-stale`",
            'middleware.cors.origins in production: passed, but is not proven: the defect "any origin" was '
            "missed; run `harness selftest --if-stale`",
        )

    def test_with_all_proofs_it_opens(self) -> None:
        proofs = (
            make.proof(),
            make.proof(defect_key="b"),
            make.proof(control=make.OTHER, check="suites/test_methods.py::test_it", defect_key="c"),
        )

        assert decided(*self.CHECKS, *self.PASSES, *proofs, required=self.REQUIRED).status == OPEN


class TestAudit:
    def test_a_disagreement_closes_and_stands_first(self) -> None:
        audit = {"finished": True, "sample": 20, "agreed": 19, "disagrees": "the ledger disagrees with x"}

        decision = decided(make.declared(), FAILED, make.proof(), environment={"audit": audit})

        assert decision.status == CLOSED
        assert decision.why[0].startswith("the ledger disagrees with x; run `harness selftest --if-stale`")
        assert len(decision.why) == 2
        assert decided(*PROVEN, environment={"audit": audit}).status == CLOSED

    @pytest.mark.parametrize(
        ("audit", "doubt"),
        [
            ({"finished": False, "sample": 20}, "did not come to its end"),
            ({"finished": True, "sample": 20, "agreed": 0, "undecided": ["a"]}, "decided nothing"),
        ],
    )
    def test_one_that_decided_nothing_is_a_doubt(self, audit: dict[str, Any], doubt: str) -> None:
        decision = decided(*PROVEN, environment={"audit": audit})

        assert decision.status == UNDECIDED
        assert len(decision.why) == 1
        assert doubt in decision.why[0]

    @pytest.mark.parametrize(
        "audit",
        [
            {"finished": True, "sample": 20, "agreed": 18, "undecided": ["a", "b"]},
            {"finished": True, "sample": 0},
            {},
        ],
    )
    def test_one_that_agrees_or_had_nothing_to_try_does_not_stand_in_the_way(
        self, audit: dict[str, Any]
    ) -> None:
        assert decided(*PROVEN, environment={"audit": audit}).status == OPEN


RESULTS = st.lists(
    st.builds(
        ControlResult,
        control=st.just(make.CONTROL),
        profile=st.just("production"),
        verdict=st.sampled_from(Verdict),
        reason=st.just("why"),
        checks=st.just((PASSED,)),
        proof=st.just(()),
        unproven=st.sampled_from([(), ("not tried",)]),
        required=st.booleans(),
    ),
    max_size=6,
)


@given(RESULTS, st.booleans())
def test_it_opens_exactly_when_everything_required_is_earned(
    results: list[ControlResult], whole: bool
) -> None:
    decision = decide(make.view(PASSED, problems=() if whole else ("cut off",)), results)

    required = [result for result in results if result.required]
    earned = all(
        r.verdict is Verdict.WAIVED or (r.verdict is Verdict.PASS and not r.unproven) for r in required
    )
    assert (decision.status == OPEN) is (earned and bool(required) and whole)
    assert (decision.status == CLOSED) is any(r.verdict is Verdict.FAIL for r in required)
    assert bool(decision.why) is (decision.status != OPEN)


FINDINGS = st.lists(
    st.builds(
        make.finding,
        st.sampled_from([v for v in Verdict if v is not Verdict.WAIVED]),
        control=st.sampled_from([make.CONTROL, make.OTHER]),
    ),
    max_size=6,
)


@given(FINDINGS)
def test_a_single_run_is_good_only_if_something_was_shown_and_nothing_is_in_doubt(
    findings: list[Finding],
) -> None:
    decision = executed(*findings)

    required = {f.verdict for f in findings if f.control == make.CONTROL} or {f.verdict for f in findings}
    assert (decision.status == OPEN) is (
        Verdict.PASS in required and required <= {Verdict.PASS, Verdict.NOT_APPLICABLE}
    )
    assert (decision.status == CLOSED) is (Verdict.FAIL in required)


class TestExecuted:
    def test_no_proof_is_asked_for(self) -> None:
        assert executed(PASSED).status == OPEN

    def test_an_empty_run_does_not_open(self) -> None:
        assert executed().why == ("nothing was shown: no check came to pass",)

    def test_planted_defects_do_not_count(self) -> None:
        assert executed(make.finding(defect="any origin")).status == UNDECIDED

    def test_an_optional_check_run_alone_still_counts(self) -> None:
        assert executed(make.finding(Verdict.FAIL, control=make.OTHER)).status == CLOSED

    def test_beside_a_required_one_it_does_not(self) -> None:
        assert executed(PASSED, make.finding(Verdict.FAIL, control=make.OTHER)).status == OPEN

    def test_a_waiver_holds_at_the_runs_start_or_at_the_moment_asked_for(self) -> None:
        waived = {"waivers": (make.waiver_record(FAILED),)}

        assert executed(FAILED, **waived).status == OPEN
        assert executed(FAILED, at=datetime(2027, 1, 31, tzinfo=UTC), **waived).status == CLOSED

    def test_a_journal_that_is_incomplete_does_not_open(self) -> None:
        assert executed(PASSED, problems=("cut off",)).status == UNDECIDED


@pytest.mark.parametrize(
    ("status", "word"), [(OPEN, "open"), (CLOSED, "closed"), (UNDECIDED, "could not decide")]
)
def test_a_decision_has_words(status: Any, word: str) -> None:
    decision = Decision(status=status, why=())

    assert decision.word == word
    assert word in decision.sentence
