"""The ledger as a file: suites/proofs.lock, committed, written by the self-test alone.

It is replaced as a whole, so that a reader always sees one whole ledger. A proof whose line is missing is not
there, which proves nothing. A line that was cut off or edited is a problem of the whole file: nothing in it
counts until a self-test has put it right.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.errors import UserError
from harness.ledger.entries import (
    FORMAT,
    HEAD,
    BrokenLine,
    Entry,
    Key,
    Void,
    decode,
    encode,
    entry_of,
    void_of,
)

NAME: Final = "suites/proofs.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What the file holds.

    files: digest by path, as the entries were bound to them; used only to name what changed.
    there: whether there is such a file. problems: what is wrong with its lines.
    """

    entries: Mapping[Key, Entry] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    void: Void | None = None
    there: bool = True
    problems: tuple[str, ...] = ()


def read(root: Path) -> Ledger:
    """Return the ledger below a root."""
    try:
        data = (root / NAME).read_bytes()
    except FileNotFoundError:
        return Ledger(there=False)
    except OSError as cause:
        return Ledger(problems=(f"{NAME}: {cause.strerror or cause}",))
    reading = _Reading()
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        try:
            reading.take(number, line)
        except BrokenLine as broken:
            reading.problems.append(f"{NAME}, line {number}: {broken}")
    return reading.ledger()


def write(root: Path, ledger: Ledger) -> Path:
    """Replace the file below a root; return its path. Raises `UserError` where it cannot be written."""
    path = root / NAME
    try:
        descriptor, name = tempfile.mkstemp(prefix=".proofs-", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(_lines(ledger))
            file.flush()
            os.fsync(descriptor)
        fresh = Path(name)
        fresh.chmod(0o644)
        fresh.replace(path)
    except OSError as cause:
        raise UserError(
            f"{path}: {cause.strerror or cause}", remedy="Make it writable, and run the self-test again."
        ) from None
    return path


def _lines(ledger: Ledger) -> Iterator[bytes]:
    yield encode(HEAD)
    if ledger.void:
        yield encode(ledger.void.payload())
    for entry in sorted(ledger.entries.values(), key=lambda entry: entry.key):
        yield encode(entry.payload())
    for path, digest in sorted(ledger.files.items()):
        yield encode({"file": path, "digest": digest})


class _Reading:
    """A ledger while its lines are read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._entries: dict[Key, Entry] = {}
        self._files: dict[str, str] = {}
        self._void: Void | None = None

    def take(self, number: int, line: bytes) -> None:
        """Take one line. Raises `BrokenLine`."""
        payload = decode(line)
        if (number == 1) != ("ledger" in payload):
            raise BrokenLine("the head does not stand first, or it is missing")
        match payload:
            case {"ledger": form}:
                if form != FORMAT:
                    raise BrokenLine(f"it is of format {form}, {FORMAT} is known here")
            case {"proof": _}:
                self._add(entry_of(payload))
            case {"void": _}:
                self._void = void_of(payload)
            case {"file": str(path), "digest": str(digest)}:
                self._files[path] = digest
            case _:
                raise BrokenLine("it is of no known kind")

    def ledger(self) -> Ledger:
        return Ledger(
            entries=self._entries, files=self._files, void=self._void, problems=tuple(self.problems)
        )

    def _add(self, entry: Entry) -> None:
        if entry.key in self._entries:
            raise BrokenLine("an earlier line has a proof of the same defect")
        self._entries[entry.key] = entry
