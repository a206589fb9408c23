"""`verify`, `selftest`, `up` and `doctor` where things go another way than usual."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness import places, standing
from harness.commands import doctor, keeping, verify
from harness.errors import RuntimeUnavailable, UserError
from harness.ledger import loading
from harness.ledger.loading import Proofs
from harness.options import Options
from harness.records import Event
from tests.harness import make


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=300)


def text(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_matrix_that_cannot_be_written_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/matrix\.json"):
        verify._write(tmp_path / "nowhere" / "matrix.json", make.view(), [make.proof()])


class TestUp:
    def test_what_is_up_already_is_not_brought_up(self, screen: Console) -> None:
        with pytest.raises(UserError, match="is up already"):
            keeping.up(
                Options(
                    profiles=("production",),
                    target="https://127.0.0.1:8443",
                    contract=places.CONTRACT,
                ),
                screen,
            )

    def test_only_what_takes_long_is_told(self, screen: Console) -> None:
        keeping.tell(screen, Event(name="image.building"))
        keeping.tell(screen, Event(name="image.built", seconds=12.6))
        keeping.tell(screen, Event(name="deployment.ready", seconds=1))

        assert text(screen) == "image.building\nimage.built (13 s)\n"

    def test_nothing_up_is_no_mistake(
        self, screen: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(standing, "KEPT", tmp_path)

        assert keeping.down(None, screen, dry_run=False) == 0
        assert text(screen) == "Nothing is up.\n"
        with pytest.raises(UserError) as refused:
            keeping.down("x", screen, dry_run=False)
        assert refused.value.remedy == "Nothing is up."


class TestDoctor:
    @pytest.fixture
    def bare(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A machine without Docker, browser, mmdebstrap."""
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
        monkeypatch.setenv("PATH", str(tmp_path))

    def lacking(self) -> None:
        raise RuntimeUnavailable("uvicorn is not installed", remedy="Run `make setup`.")

    def test_a_bare_machine_still_has_processes(self, bare: None, screen: Console) -> None:
        assert doctor.doctor(screen) == 0
        assert "✗ Docker" in text(screen)
        assert "✗ browser" in text(screen)
        assert text(screen).splitlines()[-1].startswith("Runtimes: process, and external")

    def test_one_that_can_bring_nothing_up_ends_with_2(
        self, bare: None, screen: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doctor, "reference_interpreter", self.lacking)

        assert doctor.doctor(screen) == 2
        assert "uvicorn is not installed" in text(screen)
        assert "Run `make setup`." in text(screen)
        assert "can be verified by its URL" in text(screen).splitlines()[-1]

    @pytest.mark.parametrize(
        ("kept", "there", "found"),
        [
            (Proofs(proofs=(make.proof(),)), True, "1 hold"),
            (Proofs(note="no proofs: run `make selftest`"), False, "no proofs: run `make selftest`"),
            (Proofs(note="stale", disagreement="the ledger disagrees"), False, "the ledger disagrees"),
        ],
    )
    def test_it_says_whether_the_ledger_holds(
        self, monkeypatch: pytest.MonkeyPatch, kept: Proofs, there: bool, found: str
    ) -> None:
        monkeypatch.setattr(loading, "load", lambda root: kept)

        ability = doctor._proofs()

        assert (ability.there, ability.found) == (there, found)
        assert "harness selftest --if-stale" in ability.remedy

    def test_what_is_missing_comes_with_what_to_do(
        self, screen: Console, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(doctor, "_abilities", lambda: iter(()))
        monkeypatch.setattr(doctor, "_MEMORY_GIB", 10**6)
        monkeypatch.setattr(doctor, "_DISK_GIB", 10**6)

        assert not doctor._memory().there
        assert "harness verify -p" in doctor._memory().remedy
        assert not doctor._disk().there
