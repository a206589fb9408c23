"""Which schema an image knows: asked once, kept by its id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness import places
from harness.errors import ReleaseError
from harness.runtimes.schemas import schema_of

IMAGE, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
COMMAND = ("server", "schema")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    return tmp_path / "build"


@pytest.fixture
def ask() -> Callable[[], str]:
    answers = iter(("0001", "0002", "0003"))
    return lambda: next(answers)


@pytest.mark.usefixtures("build")
def test_an_image_is_asked_once_by_each_command(ask: Callable[[], str]) -> None:
    assert [schema_of(IMAGE, COMMAND, ask) for _ in range(2)] == ["0001", "0001"]
    assert schema_of(OTHER, COMMAND, ask) == "0002"
    assert schema_of(IMAGE, ("server", "version"), ask) == "0003"


def test_where_nothing_can_be_kept_it_is_asked_again(build: Path, ask: Callable[[], str]) -> None:
    build.write_text("no folder", encoding="utf-8")

    assert [schema_of(IMAGE, COMMAND, ask) for _ in range(2)] == ["0001", "0002"]


@pytest.mark.usefixtures("build")
def test_an_image_that_does_not_tell_is_asked_again(ask: Callable[[], str]) -> None:
    def refuse() -> str:
        raise ReleaseError("it says nothing", remedy="Name another image.")

    with pytest.raises(ReleaseError):
        schema_of(IMAGE, COMMAND, refuse)
    assert schema_of(IMAGE, COMMAND, ask) == "0001"
