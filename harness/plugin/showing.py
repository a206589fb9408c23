"""Verdicts where pytest shows outcomes: letters, words and reports."""

from __future__ import annotations

from typing import Any

import pytest

from harness.trial import Trial
from harness.verdict import Verdict

_SHOWN = {
    Verdict.PASS: ("passed", ".", "PASS"),
    Verdict.FAIL: ("failed", "F", "FAIL"),
    Verdict.ERROR: ("error", "E", "ERROR"),
    Verdict.NOT_VERIFIED: ("not-verified", "?", "NOT VERIFIED"),
    Verdict.NOT_APPLICABLE: ("not-applicable", "-", "NOT APPLICABLE"),
}
_CAUGHT = ("caught", "c", "CAUGHT")
_LEFT_OUT = ("left out", "/", "LEFT OUT")
_MISSED = ("failed", "M", "MISSED")


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Show verdicts, not pytest's outcomes."""
    verdict = getattr(report, "verdict", None)
    if getattr(report, "left_out", ""):
        return _LEFT_OUT
    if verdict is None:
        return None
    if getattr(report, "defect", ""):
        return _CAUGHT if report.passed else _MISSED
    return _SHOWN[Verdict(verdict)]


def show_spared(report: pytest.TestReport, trial: Trial) -> None:
    """Show a check that the run's depth leaves out."""
    shown: Any = report
    shown.left_out = trial.left_out
    path, _, line = trial.source.rpartition(":")
    report.outcome, report.longrepr = "skipped", (path, int(line), f"left out: {trial.left_out}")


def show(report: pytest.TestReport, trial: Trial, verdict: Verdict) -> None:
    """Give pytest's report the outcome that the verdict means, and the words to show it by."""
    shown: Any = report
    shown.verdict = verdict.value
    shown.__dict__.pop("wasxfail", None)
    planted = trial.case.defect
    decided = verdict in {Verdict.PASS, Verdict.FAIL} or trial.caught
    if planted is not None and report.when == "call" and decided:
        shown.defect = planted.title
        report.outcome = "passed" if trial.caught else "failed"
        report.longrepr = None if trial.caught else f"missed: {planted.title}"
    elif verdict in {Verdict.NOT_VERIFIED, Verdict.NOT_APPLICABLE}:
        path, _, line = trial.source.rpartition(":")
        report.outcome, report.longrepr = "skipped", (path, int(line), f"{verdict.value}: {trial.message}")
    elif verdict is Verdict.PASS:
        report.outcome, report.longrepr = "passed", None
    else:
        report.outcome = "failed"
        report.longrepr = report.longrepr or trial.message
