"""What images and interpreters are made of, and what is said when one cannot be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness import places
from harness.errors import RuntimeUnavailable
from harness.records import Event
from harness.runtimes import base, interpreter, revision
from harness.runtimes.base import BASE, base_image, host_sources
from harness.runtimes.images import fetch_wheels
from harness.runtimes.interpreter import interpreter_for, pip, reference_interpreter
from harness.workspace import Workspace

STANZAS = """\
# the archive
Types: deb
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates trixie
Components: main

Types: deb-src
URIs: http://mirror.test/debian
Suites: bookworm
"""


class _NoRegistry:
    """An engine whose Docker has no image and reaches no registry."""

    def image_id(self, name: str) -> str | None:
        return None

    def pull(self, name: str, *, silence_s: float) -> bool:
        return False


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    return tmp_path / "build"


def test_the_hosts_archives_of_this_release_are_used(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "deb [signed-by=/k.gpg] http://m.test/s bookworm-security main\n# deb x bookworm main\n"
        "deb http://other.test/ cloud-bookworm main\n",
        encoding="utf-8",
    )
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS, encoding="utf-8")

    assert host_sources(tmp_path) == [
        "deb http://m.test/s bookworm-security main",
        "deb http://mirror.test/debian bookworm main",
        "deb http://mirror.test/debian bookworm-updates main",
    ]
    assert host_sources(tmp_path / "none") == []


def test_without_registry_and_tool_the_remedy_is_said(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace
) -> None:
    monkeypatch.setattr(base.shutil, "which", lambda _: None)

    with pytest.raises(RuntimeUnavailable, match="apt-get install mmdebstrap"):
        base_image(_NoRegistry(), workspace, print)  # type: ignore[arg-type]


def test_a_tool_that_fails_shows_its_last_lines(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace, tmp_path: Path
) -> None:
    tool = tmp_path / "mmdebstrap"
    tool.write_text("#!/bin/sh\necho no such mirror >&2; exit 3\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setattr(base.shutil, "which", lambda name: str(tool) if name == tool.name else None)

    with pytest.raises(RuntimeUnavailable, match=r"\| no such mirror"):
        base_image(_NoRegistry(), workspace, print)  # type: ignore[arg-type]


def test_the_tool_is_installed_where_this_is_root_on_debian(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n', encoding="utf-8")
    apt.chmod(0o755)
    monkeypatch.setattr(base.shutil, "which", lambda name: str(apt) if name == "apt-get" else None)
    monkeypatch.setattr(base.os, "geteuid", lambda: 0)

    assert base._bootstrap_tool() == "mmdebstrap"
    assert (tmp_path / "calls").read_text(encoding="utf-8").splitlines() == [
        "update -qq",
        "install -qq --yes mmdebstrap",
    ]


def test_a_satisfied_application_runs_on_this_interpreter(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(
        "# the server\nuvicorn>=0.1  # fine\nhttpx ; python_version < '3'\n", encoding="utf-8"
    )

    assert interpreter_for(requirements, print) == Path(sys.executable)


@pytest.mark.parametrize("line", ["uvicorn==0.0.1", "no-such-package-here", "--index-url x", "./local.whl"])
def test_anything_else_gets_an_environment_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, build: Path
) -> None:
    made: list[Path] = []

    def create(folder: Path, python: Path, requirements: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "complete").touch()
        made.append(python)

    monkeypatch.setattr(interpreter, "_create", create)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"{line}\n", encoding="utf-8")
    events: list[Event] = []

    found = interpreter_for(requirements, events.append)

    assert found == interpreter_for(requirements, events.append)
    assert made == [found]
    assert found.is_relative_to(build)
    assert [event.name for event in events] == ["environment.built"]


def test_pips_refusal_is_shown(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("./none-0-py3-none-any.whl\n", encoding="utf-8")

    with pytest.raises(RuntimeUnavailable, match=r"pip install failed(?s:.*)none-0"):
        pip(sys.executable, "install", "--no-index", "--dry-run", "-r", str(tmp_path / "r.txt"))


def test_wheels_are_fetched_once(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("", encoding="utf-8")
    events: list[Event] = []

    with pytest.raises(RuntimeUnavailable, match="pip download failed"):
        fetch_wheels(tmp_path / "r.txt", ("./none-0-py3-none-any.whl",), events.append)
    assert events == []


def test_a_missing_package_of_the_reference_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert reference_interpreter() == Path(sys.executable)
    (tmp_path / "server.txt").write_text(
        "no-such-package-here==1 \\\n    --hash=sha256:0\n", encoding="utf-8"
    )
    monkeypatch.setattr(places, "REQUIREMENTS", tmp_path / "server.txt")

    with pytest.raises(RuntimeUnavailable, match=r"no-such-package-here(?s:.*)make setup"):
        reference_interpreter()


def test_the_revision_is_the_last_commit_of_the_servers_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def found() -> str:
        revision.revision.cache_clear()
        return revision.revision()

    monkeypatch.setattr(places, "PROJECT", tmp_path)
    assert found() == revision.UNKNOWN
    git("init", "-q")
    (tmp_path / "panotti").mkdir()
    (tmp_path / "panotti" / "app.py").write_text("1", encoding="utf-8")
    git("add", ".")
    git("commit", "-q", "-m", "server")
    server = git("rev-parse", "HEAD")
    (tmp_path / "README").write_text("1", encoding="utf-8")
    git("add", ".")
    git("commit", "-q", "-m", "elsewhere")

    assert found() == server
    (tmp_path / "panotti" / "app.py").write_text("2", encoding="utf-8")
    assert found() == f"{server}+changed"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found() == revision.UNKNOWN
    revision.revision.cache_clear()


def test_the_base_image_has_a_name_of_its_own() -> None:
    assert BASE.startswith("panotti-base:")
