"""summary.md fits a comment, tells the worst, and cannot be made to say anything else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from reports import as_markdown
from reports.model import Gate, ReportModel
from tests.reports import sample


@pytest.fixture(scope="module")
def summary(report: Path) -> str:
    return (report / "summary.md").read_text("utf-8")


def test_the_decision_comes_first(summary: str, model: ReportModel) -> None:
    assert summary.startswith("## Gate closed\n\n")
    assert model.gate.summary in summary


def test_it_is_short_even_when_everything_fails(model: ReportModel, tmp_path: Path) -> None:
    demanded = tuple(dataclasses.replace(result, blocks=True) for result in model.results)
    gate = Gate(status=2, decision="x", summary="y", why=("why " * 500,) * 400)
    broken = dataclasses.replace(model, results=demanded, gate=gate, waivers=model.waivers * 50)
    text = as_markdown.write(broken, tmp_path).read_text("utf-8")

    assert len(text.encode()) < 20_000
    assert "and 392 more." in text
    assert "and 40 more." in text


def test_every_profile_has_a_row(summary: str, model: ReportModel) -> None:
    for profile in model.profiles:
        assert f"| {profile.name} | {profile.opened} of {profile.required} |" in summary


def test_a_required_control_that_failed_is_named_with_its_reason(summary: str) -> None:
    assert "| middleware.cors.origins | production | **fail** | POST /api/recording-started" in summary


def test_a_waiver_shows_its_owner_and_days(summary: str) -> None:
    assert "platform&#64;panotti.example, until 2026-12-05T00:00:00Z, 10 days left" in summary


def test_hostile_reasons_stay_inside_their_cell(model: ReportModel, tmp_path: Path) -> None:
    hostile = tuple(
        dataclasses.replace(result, reason=sample.HOSTILE) if result.blocks else result
        for result in model.results
    )
    text = as_markdown.write(dataclasses.replace(model, results=hostile), tmp_path).read_text("utf-8")

    assert "<img" not in text
    assert "@all" not in text
    assert all(line.count("|") == 5 for line in text.splitlines() if line.startswith("| middleware"))


def test_an_expired_waiver_and_one_that_matches_nothing_say_so(model: ReportModel, tmp_path: Path) -> None:
    (waiver,) = model.waivers
    old = dataclasses.replace(waiver, state="expired", days_left=-3)
    stray = dataclasses.replace(waiver, state="matches nothing")
    text = as_markdown.write(dataclasses.replace(model, waivers=(old, stray)), tmp_path).read_text("utf-8")

    assert "2026-12-05T00:00:00Z, expired)" in text
    assert "2026-12-05T00:00:00Z, matches nothing)" in text


def test_passes_without_proof_are_counted_apart(summary: str) -> None:
    assert "(1 unproven)" in summary
