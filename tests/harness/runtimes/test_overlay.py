"""Edits: laid over exactly one place, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import places
from harness.defects import Added, Edit
from harness.errors import HarnessError
from harness.runtimes.overlay import EditError, Overlay, lay, write_package


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in {
        "panotti/__init__.py": "one = 1\ntwo = 2\ntwo = 2\n",
        "panotti/deep/er.py": "x = 1\n",
        "deploy/profiles/production.toml": "docs = false\n",
        "deploy/Dockerfile": "USER 10001\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.setattr(places, "PROJECT", tmp_path)
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "panotti")
    return tmp_path


def test_edits_go_where_they_belong() -> None:
    overlay = lay(
        [
            Edit(path="panotti/__init__.py", old="one = 1", new="one = 11"),
            Edit(path="panotti/__init__.py", old="one = 11", new="one = 111"),
            Edit(path="deploy/profiles/production.toml", old="false", new="true"),
            Edit(path="deploy/Dockerfile", old="10001", new="0"),
        ],
        "production",
    )

    assert overlay == Overlay(
        package={"panotti/__init__.py": "one = 111\ntwo = 2\ntwo = 2\n"},
        settings="docs = true\n",
        dockerfile="USER 0\n",
    )


def test_files_are_added_below_the_packages(tmp_path: Path) -> None:
    overlay = lay([Added(place="packages", path="left_pad-1.dist-info/METADATA", text="Name: x")], "testing")
    folder = write_package(tmp_path / "overlay", overlay)

    assert (folder / "left_pad-1.dist-info" / "METADATA").read_text() == "Name: x"
    assert (folder / "panotti" / "deep" / "er.py").is_file()


@pytest.mark.parametrize("path", ["../outside.py", "/etc/passwd", "deploy/Dockerfile"])
def test_files_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(HarnessError, match="not below the packages"):
        lay([Added(place="packages", path=path, text="")], "production")


@pytest.mark.parametrize(
    ("path", "old"),
    [
        ("panotti/__init__.py", "two = 2"),
        ("panotti/__init__.py", "three"),
        ("panotti/gone.py", "x"),
        ("panotti/__init__.py", ""),
    ],
)
def test_an_outdated_edit_is_an_error(path: str, old: str) -> None:
    with pytest.raises(EditError, match=path):
        lay([Edit(path=path, old=old, new="")], "production")


@pytest.mark.parametrize(
    "path", ["deploy/profiles/testing.toml", "harness/gate.py", "panotti/../README.md", "panotti"]
)
def test_an_edit_without_effect_is_an_error(path: str) -> None:
    with pytest.raises(HarnessError):
        lay([Edit(path=path, old="x", new="y")], "production")


def test_the_package_is_copied_whole_and_patched(tmp_path: Path, project: Path) -> None:
    overlay = lay([Edit(path="panotti/deep/er.py", old="1", new="2")], "production")

    folder = write_package(tmp_path / "overlay", overlay)

    assert (folder / "panotti/deep/er.py").read_text(encoding="utf-8") == "x = 2\n"
    assert (folder / "panotti/__init__.py").read_bytes() == (project / "panotti/__init__.py").read_bytes()
    assert (project / "panotti/deep/er.py").read_text(encoding="utf-8") == "x = 1\n"
