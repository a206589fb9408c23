"""The model says of a journal what stands in it, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from harness.journal import JournalView
from harness.verdict import Verdict
from reports import as_html, as_json, as_junit, as_markdown, as_sarif, build, rows
from reports.model import ReportModel
from tests.reports import sample

FORMS = (as_html, as_json, as_junit, as_markdown, as_sarif)


@pytest.fixture(scope="module")
def view() -> JournalView:
    return sample.view()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__.rpartition("_")[2])
def test_one_journal_gives_the_same_bytes_twice(form: object, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for out in (first, second):
        out.mkdir()
        assert form.write(sample.model(), out).parent == out  # type: ignore[attr-defined]
    (name,) = (path.name for path in first.iterdir())

    assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_order_in_which_findings_were_written_changes_nothing(view: JournalView) -> None:
    backwards = dataclasses.replace(view, findings=view.findings[::-1])

    assert build(backwards) == build(view)


def test_findings_of_planted_defects_are_not_findings_of_the_target(view: JournalView) -> None:
    planted = dataclasses.replace(view.findings[0], defect="reflected origin", verdict=Verdict.FAIL)
    result = build(dataclasses.replace(view, findings=(planted, *view.findings)))

    assert planted not in result.findings
    assert len(result.findings) == len(view.findings)


def test_a_proof_written_twice_counts_once(view: JournalView) -> None:
    assert build(dataclasses.replace(view, proofs=view.proofs * 2)) == build(view)


def test_own_time_is_never_negative(view: JournalView) -> None:
    timing = dataclasses.replace(view.findings[0].timing, wall_s=0.1, target_s=5.0)
    odd = dataclasses.replace(view.findings[0], timing=timing)
    result = build(dataclasses.replace(view, findings=(odd,)))

    assert all(profile.seconds.own >= 0 for profile in result.profiles)


def test_nested_environment_becomes_flat_names(view: JournalView) -> None:
    run = dataclasses.replace(
        view.run, environment={"a": {"b": [1, 2], "c": None}, "d": True, "e": {"f": {"g": 0.5}}}
    )
    result = build(dataclasses.replace(view, run=run))

    signed, *told = result.environment
    assert signed == ("signed by", "nobody: the journal is unsigned")
    assert told == [("a.b", "1, 2"), ("a.c", "unknown"), ("d", "yes"), ("e.f.g", "0.5")]


def test_a_profile_without_a_policy_in_the_head_still_has_a_column(view: JournalView) -> None:
    run = dataclasses.replace(view.run, policy={})
    result = build(dataclasses.replace(view, run=run))

    assert {profile.policy_sha256 for profile in result.profiles} == {""}


def test_what_closes_the_gate_stands_before_the_rest(model: ReportModel) -> None:
    work = rows.work(model)

    assert [entry.control.id for entry in work][-1] == "middleware.security.validation"
    assert [entry.blocks for entry in work] == sorted((entry.blocks for entry in work), reverse=True)


def test_profiles_with_one_reason_share_one_entry(model: ReportModel) -> None:
    entry = next(entry for entry in rows.work(model) if entry.control.id == "middleware.cors.origins")
    ((_, results),) = entry.reasons

    assert [result.profile for result in results] == ["staging", "production"]


def test_every_open_question_has_its_reason(model: ReportModel) -> None:
    questions = rows.open_questions(model)
    unchecked = next(question for question in questions if question.unchecked)

    assert unchecked.reason == sample.NO_CHECK
    assert len(unchecked.controls) == 83
    assert questions[-1] is unchecked


def test_a_pass_without_proof_is_shown_apart_and_keeps_the_gate_shut(model: ReportModel) -> None:
    results = [result for result in model.results if result.control == sample.UNPROVEN]

    assert {rows.kind(result) for result in results} == {rows.UNPROVEN}
    assert [result.profile for result in results if result.blocks] == ["staging", "production"]
    assert all("not proven" in result.reason for result in results)


def test_the_decision_is_the_gates(model: ReportModel) -> None:
    assert (model.gate.status, model.gate.decision) == (1, "closed")
    assert model.gate.summary == (
        "52 verdicts are required over 2 profiles: 46 hold, 2 failed, 4 could not be decided."
    )


def test_without_a_policy_nothing_is_required_and_the_gate_says_so(view: JournalView) -> None:
    gate = build(dataclasses.replace(view, run=dataclasses.replace(view.run, policy={}))).gate

    assert gate.status == 2
    assert gate.summary == "No control is required."


@pytest.mark.parametrize(
    ("changes", "state", "days"),
    [
        ({}, "in force", 10),
        ({"expires": "2026-11-20T00:00:00Z"}, "expired", -5),
        ({"fingerprint": "0123456789abcdef"}, "matches nothing", 10),
    ],
)
def test_a_waiver_says_whether_it_still_holds(
    view: JournalView, changes: dict[str, str], state: str, days: int
) -> None:
    waivers = ({**view.run.waivers[0], **changes},)
    (waiver,) = build(dataclasses.replace(view, run=dataclasses.replace(view.run, waivers=waivers))).waivers

    assert (waiver.state, waiver.days_left) == (state, days)


def test_only_a_failure_is_answered_with_the_controls_remedy(model: ReportModel) -> None:
    remedies = {
        entry.control.id: (entry.kind, entry.remedy == entry.control.remedy) for entry in rows.work(model)
    }

    assert remedies == {
        "middleware.cors.origins": ("fail", True),
        "middleware.security.tls": ("error", False),
        "middleware.auth.api-keys": ("not-verified", False),
        "middleware.security.validation": ("fail", True),
        sample.UNPROVEN: ("unproven", False),
    }
