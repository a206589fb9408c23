"""Reports: pure functions from a journal to files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness import journal
from harness.catalogue import load
from harness.gate import decide
from harness.journal import JournalView
from harness.judge import judge
from reports.compose import compose, in_order
from reports.model import ReportModel
from reports.writing import FORMATS, collector_paused, write_formats

__all__ = ["FORMATS", "ReportModel", "build", "write_all"]


def build(view: JournalView) -> ReportModel:
    """Judge a journal and return what every format shows of it."""
    catalogue = load()
    ordered = in_order(view, catalogue)
    results = judge(ordered, catalogue)
    return compose(ordered, catalogue, results, decide(ordered, results))


def write_all(
    journal_dir: Path, formats: Iterable[str] = tuple(FORMATS), out: Path | None = None
) -> dict[str, Path]:
    """Write the reports of a journal and return their paths by format.

    Raises `JournalError` when there is no journal, `UserError` for an unknown format or a full disk.
    """
    with collector_paused():
        return write_formats(build(journal.read(journal_dir)), formats, out or Path("build/reports/latest"))
