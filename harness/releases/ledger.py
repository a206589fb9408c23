"""The ledger of releases: an append-only file that alone tells what serves, and what is unfinished.

Lines are chained like a journal's (`harness.chain`), and on disk before the step that they announce is taken.
A last line that was cut off was never acted upon: it is dropped. Any other flaw is an error, and named. One
process holds the ledger at a time; the lock goes with it, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from harness import chain
from harness.appended import append
from harness.errors import ReleaseError, RuntimeUnavailable
from harness.releases.entries import Begun, Ended, Entry, Known, State, Stepped, fold
from harness.tomlfile import to_record

_KINDS: Final[dict[str, type[Entry]]] = {
    "known": Known,
    "begun": Begun,
    "stepped": Stepped,
    "ended": Ended,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_REMEDY: Final = "Put the file back as it was, from a copy; harness down and up begin anew."


def read_state(path: Path) -> State:
    """Return what follows from a ledger, an empty state where there is none yet. Raises `ReleaseError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return State()
    except OSError as cause:
        raise ReleaseError(f"{path}: {cause.strerror or cause}", remedy="Give a readable ledger.") from None
    return fold(_entry(path, line) for line in _lines(path, data))


class Ledger:
    """A ledger held by this process. state: what follows from it so far."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        data = path.read_bytes()
        lines = _lines(path, data)
        self._last = lines[-1].sha256 if lines else chain.ORIGIN
        self._count = len(lines)
        self.state = fold(_entry(path, line) for line in lines)
        os.ftruncate(descriptor, data.rfind(b"\n") + 1)

    @classmethod
    @contextmanager
    def hold(cls, path: Path) -> Iterator[Ledger]:
        """Hold a ledger inside the block; it begins where there is none.

        Raises `ReleaseError` where another process holds it, or where it was edited.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as cause:
            raise _unwritable(path, cause) from None
        try:
            _lock(path, descriptor)
            _keep_name(path)
            yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    def add(self, entry: Entry) -> None:
        """Append an entry; on return it is on disk. Raises `RuntimeUnavailable` where there is no room."""
        state = self.state.after(entry)
        line, digest = chain.encode(self._last, self._count, _NAMES[type(entry)], entry)
        try:
            append(self._descriptor, line)
        except OSError as cause:
            raise _unwritable(self.path, cause) from None
        self._last, self._count, self.state = digest, self._count + 1, state


def now() -> float:
    """Return the time of an entry."""
    return round(time.time(), 3)


def _lines(path: Path, data: bytes) -> list[chain.Line]:
    lines = []
    for item in chain.decode(data, chain.ORIGIN):
        if isinstance(item, chain.Line):
            lines.append(item)
        elif not item.cut:
            raise ReleaseError(f"{path}: {item.what}", remedy=_REMEDY)
    return lines


def _entry(path: Path, line: chain.Line) -> Entry:
    if line.type not in _KINDS:
        raise ReleaseError(f'{path}: entry {line.n} is of no known kind: "{line.type}"', remedy=_REMEDY)
    source = f"{path}: entry {line.n}"
    found: Entry = to_record(
        _KINDS[line.type], line.payload, source=source, remedy=_REMEDY, error=ReleaseError
    )
    return found


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ReleaseError(
            f"{path}: another release or rollback is under way", remedy="Wait until it has ended."
        ) from None


def _keep_name(path: Path) -> None:
    """Force the file's name to disk: fsync of a file does not cover the directory that it stands in."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unwritable(path: Path, cause: OSError) -> RuntimeUnavailable:
    return RuntimeUnavailable(
        f"{path}: cannot be written: {cause.strerror or cause}", remedy="Make room there, and run it again."
    )
