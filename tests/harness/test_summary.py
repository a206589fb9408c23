"""What a run came to, as a terminal shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import journal, spared
from harness.console import render
from harness.declared import DeclaredCheck
from harness.gate import CLOSED, OPEN, UNDECIDED, Decision
from harness.records import Finding, Timing
from harness.spared import Origin
from harness.summary import (
    Outcome,
    classes,
    footer,
    matrix,
    not_begun,
    reasons,
    selftest_status,
    times,
    totals,
    verdicts,
)
from harness.verdict import Verdict
from tests.harness import make


def shown(*parts: object) -> str:
    return Outcome(status=OPEN, parts=parts).text(width=100, colour=False)  # type: ignore[arg-type]


def timed(**seconds: float) -> Finding:
    return make.finding(timing=Timing(**seconds))


class TestVerdicts:
    def test_groups_by_profiles_worst_first_and_a_sum(self) -> None:
        head = make.run(profiles=("testing", "production"))
        records: list[Finding | DeclaredCheck] = [
            make.finding(profile="testing"),
            make.finding(Verdict.FAIL),
            make.finding(control=make.OTHER),
            make.finding(control="monitoring.health.service"),
        ]

        lines = [line.split() for line in shown(*verdicts(make.view(*records, head=head))).splitlines()]

        assert ["│", "middleware.cors", "│", "1", "pass", "│", "1", "fail,", "1", "pass", "│"] in lines
        assert ["│", "all", "│", "1", "pass", "│", "1", "fail,", "2", "pass", "│"] in lines

    def test_a_single_group_needs_no_sum(self) -> None:
        assert " all " not in shown(*verdicts(make.view(make.finding())))

    def test_a_run_of_nothing_says_so(self) -> None:
        assert shown(*verdicts(make.view())) == "No check ran."


class TestReasons:
    def test_a_few_are_shown_by_their_first_lines(self) -> None:
        decision = Decision(status=CLOSED, why=tuple(f"reason {n}\nat length" for n in range(15)))

        lines = shown(*reasons(decision)).splitlines()

        assert lines[0] == "  reason 0"
        assert lines[-1] == "  … and 3 more; `harness report` shows them all"
        assert len(lines) == 13

    def test_as_many_as_fit_are_all_shown(self) -> None:
        assert len(list(reasons(Decision(status=CLOSED, why=("reason",) * 12)))) == 12

    def test_an_open_gate_has_none(self) -> None:
        assert list(reasons(Decision(status=OPEN, why=()))) == []


class TestTimes:
    def test_the_harness_is_what_nothing_else_took(self) -> None:
        said = times([timed(wall_s=3, deployment_s=1), timed(wall_s=5, demanded_s=2, target_s=1)])

        assert said == (
            "Time: 8.0 s in 2 checks: deployments 1.0 s, waits that controls demand 2.0 s, "
            "the target 1.0 s, the harness 4.0 s (50%)"
        )

    def test_no_time_at_all_has_no_share(self) -> None:
        assert times([]).endswith("the harness 0.0 s")

    def test_what_overlaps_never_makes_it_negative(self) -> None:
        assert "the harness 0.0 s" in times([timed(wall_s=1, deployment_s=1, target_s=1)])


class TestMatrix:
    def test_every_defect_and_its_twin(self) -> None:
        proofs = [
            make.proof(defect="seen"),
            make.proof(defect="unseen", outcome="missed"),
            make.proof(defect="broken", outcome="error", clean=False),
        ]

        text = shown(matrix(proofs))

        assert [line.split()[3] for line in text.splitlines() if make.CONTROL in line] == [
            "broken",
            "seen",
            "unseen",
        ]
        assert text.count("did not pass") == 2
        assert totals(proofs) == (
            "3 defects: 1 caught, 1 missed, 1 error; 1 checks whose clean twin did not pass"
        )

    def test_none_tried_says_so(self) -> None:
        assert shown(matrix([])) == "No defect was tried."

    @pytest.mark.parametrize(
        ("proofs", "status"),
        [
            ([make.proof()], OPEN),
            ([make.proof(), make.proof(outcome="missed")], CLOSED),
            ([make.proof(clean=False)], CLOSED),
            ([make.proof(outcome="missed"), make.proof(outcome="error")], UNDECIDED),
            ([], UNDECIDED),
        ],
    )
    def test_a_self_test_is_good_when_all_were_caught_and_every_twin_passed(
        self, proofs: list[object], status: int
    ) -> None:
        assert selftest_status(make.view(), proofs) == status  # type: ignore[arg-type]

    def test_an_incomplete_journal_of_one_decides_nothing(self) -> None:
        assert selftest_status(make.view(problems=("cut off",)), [make.proof()]) == UNDECIDED


class TestFooter:
    def test_the_journal_and_what_is_wrong_with_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        writer = journal.create(tmp_path / "j", make.run())
        writer.write(make.finding())

        text = render(*footer(journal.read(tmp_path / "j")), width=100, colour=False)

        assert "The journal is incomplete: main.jsonl: it has no end" in text
        assert "Signed: SHA256:" in text
        assert text.splitlines()[-1] == "Journal: j"

    def test_one_elsewhere_is_named_in_full(self) -> None:
        view = make.view()
        object.__setattr__(view, "path", Path("/elsewhere/j"))

        assert shown(*footer(view)).endswith("Journal: /elsewhere/j")


def test_each_cost_class_says_what_it_took() -> None:
    waited = timed(wall_s=6, demanded_s=5)
    rolled = make.finding(timing=Timing(wall_s=30.0, deployment_s=4.0, uses=("rollout",)))

    assert list(classes([waited, rolled])) == ["Checks by cost: waiting 6.0 s in 1, rollout 26.0 s in 1"]
    assert list(classes([])) == []


def test_what_was_not_begun_is_told() -> None:
    told = [
        spared.left_out("x::a", "production", "measuring"),
        spared.left_out("x::b", "production", "rollout"),
        spared.inherited("x::c", "staging", Origin(source="production", premise=make.CONTROL)),
    ]

    assert list(not_begun(told)) == [
        "Depth gate: 2 checks were left out (1 measuring, 1 rollout); --depth full decides them",
        "Inherited from production: 1 checks",
    ]
