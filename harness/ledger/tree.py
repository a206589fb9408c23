"""What stands in a source tree, as one short digest a file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson

from harness.tomlfile import read_toml

_FOLDERS: Final = ("harness", "suites", "scenarios", "reports", "panotti", "deploy", "requirements")
_PYPROJECT: Final = "pyproject.toml"
_FILES: Final = (_PYPROJECT, "conftest.py", "triage.toml")
_LETTERS: Final = 12  # of base 32: 60 bits, plenty against chance


class Tree:
    """The files below a root that a proof may depend on, all read at one moment.

    files: digest by path. That of pyproject.toml is over pytest's configuration alone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        found = [path for folder in _FOLDERS for path in (root / folder).rglob("*") if _counts(path)]
        found += [root / name for name in _FILES if (root / name).is_file()]
        self.files = {path.relative_to(root).as_posix(): _digest_of_file(path) for path in sorted(found)}

    def below(self, *places: str) -> tuple[str, ...]:
        """Return the files that are one of `places`, or stand below one, in order."""
        folders = tuple(f"{place}/" for place in places)
        return tuple(path for path in self.files if path in places or path.startswith(folders))

    def digest(self, paths: Iterable[str]) -> str:
        """Return one digest over files, by name and content; a missing one counts as such."""
        return digest_of("".join(f"{path}\0{self.files.get(path, '')}\n" for path in paths).encode())


def digest_of(data: bytes) -> str:
    """Return 12 letters and digits that stand for `data`.

    In base 32: a hexadecimal word in quotes would look like a secret to a scanner of the source.
    """
    return base64.b32encode(hashlib.sha256(data).digest()).decode().lower()[:_LETTERS]


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def _digest_of_file(path: Path) -> str:
    content = _pytest_configuration(path) if path.name == _PYPROJECT else path.read_bytes()
    executable = bool(path.stat().st_mode & 0o100)  # images take it over
    return digest_of(content + (b"\0x" if executable else b""))


def _pytest_configuration(path: Path) -> bytes:
    tables = read_toml(path).get("tool", {}).get("pytest", {})
    return orjson.dumps(tables, option=orjson.OPT_SORT_KEYS)
