"""What is said of a journal and of the catalogue, on journals made here."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from rich.console import Console

from harness import costs, journal, places
from harness.commands import reporting
from harness.errors import UserError
from harness.plugin.registry import listed
from harness.records import Finding, Run, Timing
from harness.verdict import Verdict
from tests.harness import make

NUMBERS = count()
CHECKS = '''
from harness import control, setting

@control("middleware.cors.origins", broken_by=(setting(title="any", CORS_ORIGINS="*"), setting(X=1)))
def test_origin(site):
    """A claim."""

@control("middleware.cors.origins", broken_by=setting(X=2), profiles=("staging",))
def test_other(site):
    """A claim."""
'''


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.fixture
def printed(screen: Console) -> Callable[[], str]:
    return lambda: screen.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    return tmp_path / "build" / "journals"


def written(directory: Path, *findings: Finding, head: Run | None = None) -> Path:
    writer = journal.create(directory, head or make.run())
    for finding in findings:
        writer.write(finding)
    writer.end()
    return directory


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / "suites"
    folder.mkdir(parents=True)
    # One process imports a module of that name once.
    (folder / f"test_cors_{next(NUMBERS)}.py").write_text(CHECKS)
    (folder.parent / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    return folder


class TestFind:
    def test_a_name_is_a_directory(self) -> None:
        assert reporting.find("/some/journal") == Path("/some/journal")

    def test_the_latest_is_the_newest_verification(self, journals: Path) -> None:
        written(journals / "20261101T000000-aaaaaa")
        newest = written(journals / "20261103T000000-aaaaaa")
        written(journals / "20261104T000000-aaaaaa", head=make.run(kind="selftest"))
        (journals / "20261105T000000-aaaaaa").mkdir()

        assert reporting.find("latest") == newest

    def test_without_one_the_remedy_is_to_run_it(self, journals: Path) -> None:
        written(journals / "20261104T000000-aaaaaa", head=make.run(kind="selftest"))

        with pytest.raises(UserError, match="no verification was run yet") as refused:
            reporting.find("latest")
        assert "harness verify" in refused.value.remedy


class TestGate:
    def test_a_failure_is_told_and_closes(
        self, tmp_path: Path, screen: Console, printed: Callable[[], str]
    ) -> None:
        directory = written(tmp_path / "j", make.finding(Verdict.FAIL, "it was granted\nat length"))

        assert reporting.gate(directory, screen, shown=20) == 1
        assert printed() == (
            "The gate is closed.\n  middleware.cors.origins in production: fail: it was granted\n"
        )

    def test_only_some_of_many_reasons_are_shown(
        self, tmp_path: Path, screen: Console, printed: Callable[[], str]
    ) -> None:
        head = make.run(required=(make.CONTROL, make.OTHER, "middleware.cors.headers"))

        assert reporting.gate(written(tmp_path / "j", head=head), screen, shown=1) == 2
        assert printed().splitlines()[-1] == "  … and 3 more"

    def test_brackets_in_a_message_are_text(
        self, tmp_path: Path, screen: Console, printed: Callable[[], str]
    ) -> None:
        reporting.gate(written(tmp_path / "j", make.finding(Verdict.FAIL, "[bold]x[/]")), screen, shown=9)

        assert "fail: [bold]x[/]" in printed()

    def test_reports_come_before_it(
        self, tmp_path: Path, screen: Console, printed: Callable[[], str]
    ) -> None:
        directory = written(tmp_path / "j", make.finding())

        assert reporting.conclude(directory, tmp_path / "r", screen) == 2
        assert (tmp_path / "r" / "report.html").is_file()
        assert printed().index("report.html") < printed().index("The gate could not decide.")


class TestReport:
    def test_only_the_formats_asked_for_are_written(self, tmp_path: Path, screen: Console) -> None:
        directory = written(tmp_path / "j", make.finding())

        assert reporting.report(directory, ("json",), tmp_path / "r", screen) == 0
        assert [path.name for path in (tmp_path / "r").iterdir()] == ["report.json"]

    def test_where_none_is_installed_it_says_so(
        self, tmp_path: Path, screen: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reporting, "entry_points", lambda **_: ())

        with pytest.raises(UserError, match="no report is installed"):
            reporting.report(tmp_path, (), tmp_path / "r", screen)


class TestCatalogue:
    def test_a_table_counts_checks_and_defects(
        self, suites: Path, screen: Console, printed: Callable[[], str]
    ) -> None:
        reporting.catalogue(suites, screen, ("middleware.cors.*",), as_json=False)

        (row,) = (line for line in printed().splitlines() if make.CONTROL in line)
        assert [cell.strip() for cell in row.split("│")[1:6]] == [
            make.CONTROL,
            "critical",
            "all",
            "2",
            "3",
        ]

    def test_json_names_them(self, suites: Path, screen: Console, printed: Callable[[], str]) -> None:
        reporting.catalogue(suites, screen, (make.CONTROL,), as_json=True)

        ((row),) = json.loads(printed())
        (file,) = suites.glob("test_*.py")
        assert row["checks"] == [
            {
                "check": f"suites/{file.name}::test_origin",
                "profiles": [],
                "runtimes": [],
                "defects": ["any", "X=1"],
            },
            {
                "check": f"suites/{file.name}::test_other",
                "profiles": ["staging"],
                "runtimes": [],
                "defects": ["X=2"],
            },
        ]

    def test_checks_that_cannot_be_collected_are_said(self, suites: Path) -> None:
        (suites / "test_broken.py").write_text("1 / 0\n")

        with pytest.raises(UserError, match="cannot be collected") as refused:
            listed(suites)
        assert "--collect-only" in refused.value.remedy

    def test_checks_that_a_gate_leaves_out_are_there_too(self, suites: Path) -> None:
        usual = [one.check for one in listed(suites)]
        costs.keep(suites, [costs.Cost(check=check, cost="rollout") for check in usual])

        assert [one.check for one in listed(suites)] == usual != []

    def test_a_folder_without_checks_has_none(self, tmp_path: Path) -> None:
        (tmp_path / "suites").mkdir()
        (tmp_path / "pytest.ini").write_text("[pytest]\n")

        assert listed(tmp_path / "suites") == ()


def test_what_checks_cost_is_kept_beside_the_suites(
    journals: Path, tmp_path: Path, screen: Console, printed: Callable[[], str]
) -> None:
    directory = written(journals / "one", make.finding(timing=Timing(wall_s=8.0, demanded_s=7.0)))

    assert reporting.costs(directory, tmp_path, screen) == 0

    assert "waiting: 1 checks, 8 s over all profiles" in printed()
    assert costs.load(tmp_path).class_of(make.CHECK) == "waiting"
