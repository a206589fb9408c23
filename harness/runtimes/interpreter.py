"""The Python that runs a target as a process: this one where it has what is needed, else one of its own."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from harness import places
from harness.errors import RuntimeUnavailable
from harness.journal import now
from harness.records import Event

_SERVER = "uvicorn"
_LAST_LINES = 15


def reference_interpreter() -> Path:
    """Return this interpreter. Raises `RuntimeUnavailable` where it lacks the reference's packages."""
    lines = places.REQUIREMENTS.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    wanted = [Requirement(line.split("--hash")[0]) for line in lines if line and line[0] not in " #"]
    missing = [one.name for one in wanted if not _installed(one)]
    if missing:
        raise RuntimeUnavailable(
            f"the reference needs packages that {sys.executable} lacks: {', '.join(missing)}",
            remedy="Run `make setup`, and the harness from its virtual environment.",
        )
    return Path(sys.executable)


def interpreter_for(requirements: Path, progress: Callable[[Event], None]) -> Path:
    """Return an interpreter that has what `requirements` lists, and uvicorn.

    Raises `RuntimeUnavailable` with pip's last lines when they cannot be installed.
    """
    if _satisfied(requirements):
        return Path(sys.executable)
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = places.BUILD / "venvs" / digest
    python = folder / "bin" / "python"
    with locked(f"venv-{digest}"):
        if not (folder / "complete").is_file():
            began = time.monotonic()
            _create(folder, python, requirements)
            progress(Event(name="environment.built", seconds=time.monotonic() - began, at=now()))
    return python


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time build the thing named."""
    folder = places.BUILD / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pip(python: Path | str, *arguments: str) -> None:
    """Run pip. Raises `RuntimeUnavailable` with its last lines."""
    done = subprocess.run(  # noqa: S603
        [str(python), "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        lines = "\n".join(f"  | {line}" for line in done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise RuntimeUnavailable(
            f"pip {arguments[0]} failed:\n{lines}",
            remedy="Check the package index (pip's configuration), the names, and the disk's free space.",
        )


def _create(folder: Path, python: Path, requirements: Path) -> None:
    # Without a pip of its own, which an audit of what is installed would find, and find old.
    venv.create(folder, with_pip=False, clear=True)
    pip(sys.executable, "--python", str(python), "install", "--quiet", "-r", str(requirements), _SERVER)
    (folder / "complete").touch()


def _satisfied(requirements: Path) -> bool:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    wanted = [line.split(" #")[0].strip() for line in lines]
    try:
        return all(_installed(Requirement(text)) for text in (*wanted, _SERVER) if text and text[0] != "#")
    except InvalidRequirement:
        return False  # options, hashes, file names: for pip to read


def _installed(requirement: Requirement) -> bool:
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)
