"""What a run was asked for, and the terminal it is shown on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.text import Text

from harness.catalogue import load
from harness.console import console, render
from harness.errors import UserError
from harness.options import Options, read_due, validate, write_due
from harness.profiles import PROFILES
from harness.runtimes import RuntimeName

EVERYTHING = Options(
    profiles=("production",),
    runtime="process",
    target="source:my app",
    contract=Path("/c.toml"),
    policy=Path("/p.toml"),
    waivers=Path("/w.toml"),
    advisories=Path("/a.tar"),
    controls=("middleware.*", "process.*"),
    intrusive=True,
    own_target=True,
)


class TestOptions:
    def test_profiles_come_in_their_usual_order(self) -> None:
        assert Options().asked_profiles == PROFILES
        assert Options(profiles=("production", "testing")).asked_profiles == ("testing", "production")

    def test_a_child_is_given_what_was_asked_for(self) -> None:
        assert EVERYTHING.arguments() == [
            *("--runtime", "process", "--target", "source:my app", "--contract", "/c.toml"),
            *("--policy", "/p.toml", "--waivers", "/w.toml", "--advisories", "/a.tar"),
            *("--controls", "middleware.*", "--controls", "process.*"),
            *("--intrusive", "--i-own-this-target"),
        ]
        assert Options().arguments() == []

    def test_the_command_can_be_pasted_into_a_shell(self) -> None:
        assert "--target 'source:my app'" in EVERYTHING.command()
        assert Options().command() == "pytest"

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (Options(profiles=("prod",)), 'no profile "prod"'),
            (Options(controls=("middleware.corse.*",)), 'no control matches "middleware.corse.*"'),
        ],
    )
    def test_what_nobody_knows_is_refused_with_the_nearest(self, options: Options, told: str) -> None:
        with pytest.raises(UserError) as refused:
            validate(options, load())

        assert told in refused.value.what
        assert refused.value.remedy

    def test_so_is_a_runtime(self) -> None:
        misspelt: RuntimeName = "proces"  # type: ignore[assignment]

        with pytest.raises(UserError, match='no runtime "proces"') as refused:
            validate(Options(runtime=misspelt), load())
        assert refused.value.remedy == 'did you mean "process"?'

    def test_what_is_known_is_accepted(self) -> None:
        validate(EVERYTHING, load())


class TestDue:
    def test_what_is_written_is_read_with_the_clean_twins(self, tmp_path: Path) -> None:
        write_due(
            tmp_path / "due", [("a.py::test_x", "k1"), ("a.py::test_x", "k2"), ("b.py::T::test_y", "k1")]
        )

        assert read_due(tmp_path / "due") == {
            *(("a.py::test_x", key) for key in ("", "k1", "k2")),
            *(("b.py::T::test_y", key) for key in ("", "k1")),
        }

    def test_a_file_that_is_not_there_is_refused_at_once(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="nowhere"):
            validate(Options(due=tmp_path / "nowhere"), load())


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestConsole:
    @pytest.fixture(autouse=True)
    def _no_surroundings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")

    def test_a_terminal_has_colours(self) -> None:
        file = _Terminal()
        console(file).print(Text("bad", style="red"))

        assert "\x1b[31m" in file.getvalue()

    @pytest.mark.parametrize("variable", ["CI", "NO_COLOR", ""])
    def test_elsewhere_it_is_plain_and_wide(self, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        file = _Terminal() if variable else io.StringIO()
        if variable:
            monkeypatch.setenv(variable, "1")

        console(file).print(Text("bad " * 25, style="red"))

        assert file.getvalue() == "bad " * 25 + "\n"

    def test_a_part_can_be_shown_as_text(self) -> None:
        assert render(Text("good", style="green"), width=20, colour=False) == "good"
        assert render(Text("good", style="green"), width=20, colour=True) == "\x1b[32mgood\x1b[0m"
