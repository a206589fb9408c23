"""A copy of the project to change, and records of the ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import places
from harness.ledger.entries import Entry
from harness.ledger.imports import PACKAGES
from tests.harness import make

FOLDERS = (*PACKAGES, "panotti", "deploy", "requirements", "bench")
FILES = ("pyproject.toml", "conftest.py", "triage.toml", "README.md", "Makefile")


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's sources; who changes one of them puts it back (`changed`)."""
    root = tmp_path_factory.mktemp("project")
    for folder in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__", "proofs.lock")
        shutil.copytree(places.PROJECT / folder, root / folder, ignore=ignored)
    for name in FILES:
        shutil.copy(places.PROJECT / name, root / name)
    return root


@contextmanager
def changed(path: Path, old: bytes = b"", new: bytes = b"\n") -> Iterator[None]:
    """Replace `old` in a file, or add `new` at its end; put the file back afterwards."""
    before = path.read_bytes() if path.exists() else None
    content = before or b""
    assert not old or content.count(old) == 1
    path.write_bytes(content.replace(old, new) if old else content + new)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def entry(**given: Any) -> Entry:
    """A proof as it is kept; what is not a field of `Entry` is one of its proof."""
    own = {name: given.pop(name) for name in ("seconds", "clean_seconds", "binding") if name in given}
    return Entry(
        **{"seconds": 1.5, "clean_seconds": 0.5, "binding": {"suite": "abc"}, **own},
        proof=make.proof(**given),
    )
