"""What containers' users may read of what is written for them, whatever umask its writer has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.releases.stage import Colour
from harness.runtimes.edge import write_serving
from harness.runtimes.handing import folder_for_all, readable_to_all


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """A user who shares nothing with others."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_for_all_can_be_entered(tmp_path: Path) -> None:
    folder = tmp_path / "service"

    folder_for_all(folder)
    folder_for_all(folder)

    assert mode(folder) == 0o755


def test_the_edge_finds_which_colour_serves(tmp_path: Path) -> None:
    folder = tmp_path / "serving"

    write_serving(folder, Colour.BLUE)

    assert mode(folder) == 0o755
    assert {mode(file) for file in folder.iterdir()} == {0o444}


def test_an_image_holds_what_its_user_can_read_and_run(tmp_path: Path) -> None:
    package = tmp_path / "context" / "package"
    package.mkdir(parents=True)
    (package / "module.py").write_text("")
    script = package / "start"
    script.write_text("")
    script.chmod(0o700)
    (package / "elsewhere").symlink_to("/nowhere")

    readable_to_all(tmp_path / "context")

    assert [mode(path) for path in (package.parent, package, package / "module.py", script)] == [
        *(0o755, 0o755),
        *(0o644, 0o755),
    ]
