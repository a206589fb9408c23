"""Report files appear whole or not at all, and a wrong request is named."""

from __future__ import annotations

import gc
from pathlib import Path

import orjson
import pytest

from harness import journal
from harness.errors import JournalError, UserError
from reports import write_all, writing
from reports.model import ReportModel
from tests.reports import sample


def test_every_format_is_written_under_its_name(model: ReportModel, tmp_path: Path) -> None:
    out = tmp_path / "made" / "on the way"
    paths = writing.write_formats(model, writing.FORMATS, out)

    assert {name: path.name for name, path in paths.items()} == {
        "html": "report.html",
        "json": "report.json",
        "md": "summary.md",
        "junit": "junit.xml",
        "sarif": "report.sarif",
    }
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in paths.values())


def test_an_unknown_format_is_named_before_anything_is_written(model: ReportModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'"pdf"[\s\S]*html, json, md, junit, sarif'):
        writing.write_formats(model, ["md", "pdf"], tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_place_that_takes_no_files_is_named(model: ReportModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UserError, match="cannot be written"):
        writing.write_formats(model, ["md"], tmp_path / "file")


def test_a_report_that_fails_half_way_leaves_the_old_one(
    model: ReportModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(model: ReportModel, out: Path) -> Path:
        (out / "summary.md").write_text("half")
        raise OSError(28, "No space left on device")

    (tmp_path / "summary.md").write_text("old")
    monkeypatch.setattr(writing, "FORMATS", {"md": full})

    with pytest.raises(UserError, match="No space left on device"):
        writing.write_formats(model, ["md"], tmp_path)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("summary.md", "old")]


def test_the_collector_runs_again_afterwards() -> None:
    with writing.collector_paused():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_a_journal_on_disk_becomes_the_report_of_what_was_written(tmp_path: Path) -> None:
    view = sample.view()
    writer = journal.create(tmp_path / "journal", view.run)
    for record in sample.records(view):
        writer.write(record)
    writer.end()
    paths = write_all(tmp_path / "journal", ["json", "md"], tmp_path / "out")

    assert list(paths) == ["json", "md"]
    gate = orjson.loads(paths["json"].read_bytes())["gate"]
    assert gate["decision"] == "closed"
    assert not any("journal" in why for why in gate["why"])


def test_a_directory_without_a_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal here"):
        write_all(tmp_path, ["md"], tmp_path / "out")
