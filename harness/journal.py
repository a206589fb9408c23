"""The journal: one run's append-only record, from which every report and every decision is made.

    build/journals/<run id>/
        run.json             the head: what was run, on what, with what
        main.jsonl           segment of the process that owns the run; it ends with the seal
        production-4711.jsonl  segment of another writing process

Every line is chained to the one before (`harness.chain`) and forced to disk before the writer goes on. A
segment ends with an `end` record; before it the owner's has a seal that names every segment, its length and
last hash, and is signed (`harness.sealing`). What is missing, cut off, edited or added is found, and named.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import chain, sealing
from harness.appended import append
from harness.errors import HarnessError, JournalError
from harness.records import Event, Finding, Proof, Run
from harness.revive import Unreadable, revive_event, revive_finding, revive_proof, revive_run

HEAD = "run.json"
OWNER = "main"
SUFFIX = ".jsonl"
RecordType = Finding | Event | Proof
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_MODE = 0o600  # answers of a target may hold what nobody else is to read
_TYPES: dict[type[RecordType], str] = {Finding: "finding", Event: "event", Proof: "proof"}


class JournalFull(HarnessError):
    """The journal cannot be written any further; what was written before stays readable."""


def now() -> str:
    """Return the time as RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def create(directory: Path, run: Run) -> Writer:
    """Begin a journal: write its head and open the owner's segment.

    Raises `JournalError` when `directory` holds a journal already, `JournalFull` when the disk is full,
    `UserError` when the key that is to sign it cannot be read.
    """
    signer = sealing.signer()
    line, _ = chain.encode(chain.ORIGIN, 0, "run", replace(run, signer=signer.told))
    head = directory / HEAD
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = os.open(head, _NEW, _MODE)
        try:
            append(file, line)
        finally:
            os.close(file)
    except FileExistsError:
        raise JournalError(
            f"{directory}: holds a journal already", remedy="Name another directory, or remove this one."
        ) from None
    except OSError as cause:
        raise _full(head, cause) from None
    return Writer(directory, OWNER, signer)


def join(directory: Path, segment: str) -> Writer:
    """Open a segment of one's own in a journal that another process began.

    Raises `JournalError` when that journal has ended: what came later would never be sealed.
    """
    owner = directory / f"{OWNER}{SUFFIX}"
    items = chain.decode(_bytes_of(owner), "") if owner.is_file() else ()
    if any(isinstance(item, chain.Line) and item.type == "end" for item in items):
        raise JournalError(
            f"{directory}: holds a finished journal", remedy="Name another directory, or remove this one."
        )
    return Writer(directory, segment)


class Writer:
    """Appends to one segment. Safe to use from several threads.

    signer: seals the journal; the owner's alone has one.
    """

    def __init__(self, directory: Path, segment: str, signer: sealing.Signer | None = None) -> None:
        self.directory = directory
        self._signer = signer
        self.segment = segment
        self.path = directory / f"{segment}{SUFFIX}"
        self._head = _head_hash(directory)
        self._last = chain.first_link(self._head, segment)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        try:
            self._file = os.open(self.path, _NEW | os.O_APPEND, _MODE)
        except OSError as cause:
            raise _full(self.path, cause) from None
        self._open = True

    def write(self, record: RecordType) -> None:
        """Append a record; on return it is on disk. Raises `JournalFull`."""
        self._write(_TYPES[type(record)], record)

    def end(self) -> None:
        """Close the segment with its counts; the owner's also with the seal. Safe to call twice."""
        if not self._open:
            return
        if self._signer is not None:
            own = self._counts.total(), self._last
            self._write("seal", self._signer.seal(self._head, _measure(self.directory), own))
        self._write("end", dict(self._counts))
        self._close()

    def _write(self, kind: str, payload: object) -> None:
        with self._lock:
            if not self._open:
                raise JournalFull(f"{self.path}: this segment is closed")
            line, digest = chain.encode(self._last, self._counts.total(), kind, payload)
            try:
                append(self._file, line)
            except OSError as cause:
                self._close()
                raise _full(self.path, cause) from None
            self._last = digest
            self._counts[kind] += 1

    def _close(self) -> None:
        self._open = False
        os.close(self._file)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalView:
    """A journal as it was read. complete: nothing is missing, cut off or edited; else `problems` say."""

    path: Path
    run: Run
    findings: tuple[Finding, ...]
    events: tuple[Event, ...]
    proofs: tuple[Proof, ...]
    complete: bool
    problems: tuple[str, ...]


def read(directory: Path) -> JournalView:
    """Read a journal. Raises `JournalError` when there is none, or when its head cannot be read."""
    run, head, problems = _read_head(directory)
    found: dict[type, list[Any]] = {Finding: [], Event: [], Proof: []}
    sealed: dict[str, Any] | None = None
    lengths: dict[str, tuple[int, str]] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        segment = _Segment(path, head)
        for record in segment.records():
            found[type(record)].append(record)
        problems.extend(segment.problems)
        lengths[path.stem] = segment.length
        if path.stem == OWNER and segment.ended:
            sealed = segment.seal
            problems.extend(sealing.flaws(sealed or {}, run.signer, head, segment.sealed_at))
    problems.extend(_against_seal(sealed, lengths))
    return JournalView(
        path=directory,
        run=run,
        findings=tuple(found[Finding]),
        events=tuple(found[Event]),
        proofs=(*run.proofs, *found[Proof]),
        complete=not problems,
        problems=tuple(problems),
    )


class _Segment:
    """One segment while it is read: its records, and what is wrong with it."""

    def __init__(self, path: Path, head: str) -> None:
        self.path = path
        self.problems: list[str] = []
        self.seal: dict[str, Any] | None = None
        self.length = self.sealed_at = (0, "")
        self._counts: Counter[str] = Counter()
        self.ended = False
        self._link = chain.first_link(head, path.stem)

    def records(self) -> Iterator[RecordType]:
        for item in chain.decode(_bytes_of(self.path), self._link):
            if isinstance(item, chain.Flaw):
                self._problem(item.what)
                continue
            record = self._take(item)
            if record is not None:
                yield record
        if not self.ended:
            self._problem("it has no end: its writer was stopped, so later findings are missing")

    def _take(self, line: chain.Line) -> RecordType | None:
        if self.ended or (self.seal is not None and line.type != "end"):
            self._problem(f"record {line.n} was added after the run ended")
            return None
        if line.type == "seal" and isinstance(line.payload, dict):
            self.seal, self.sealed_at = line.payload, (line.n, self.length[1] or self._link)
        if line.type == "end":
            self._end(line)
            return None
        self._counts[line.type] += 1
        self.length = (line.n + 1, line.sha256)
        try:
            return _REVIVE[line.type](line.payload) if line.type in _REVIVE else None
        except Unreadable as cause:
            self._problem(f"record {line.n} was edited: {cause}")
            return None

    def _end(self, line: chain.Line) -> None:
        self.ended = True
        self.length = (line.n + 1, line.sha256)
        if line.payload != dict(self._counts):
            self._problem("its end counts other records than it holds: it was edited")

    def _problem(self, what: str) -> None:
        self.problems.append(f"{self.path.name}: {what}")


_REVIVE: Mapping[str, Callable[[Any], RecordType]] = {
    "finding": revive_finding,
    "event": revive_event,
    "proof": revive_proof,
}


def _against_seal(seal: dict[str, Any] | None, lengths: dict[str, tuple[int, str]]) -> Iterator[str]:
    if seal is not None:
        yield from sealing.differences(seal, {n: length for n, length in lengths.items() if n != OWNER})
    elif OWNER not in lengths:
        yield f"{OWNER}{SUFFIX}: this segment is missing"


def _measure(directory: Path) -> dict[str, tuple[int, str]]:
    """Length and last hash of every segment but the owner's."""
    measured: dict[str, tuple[int, str]] = {}
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        if path.stem == OWNER:
            continue
        lines = [item for item in chain.decode(_bytes_of(path), "") if isinstance(item, chain.Line)]
        last = lines[-1] if lines else None
        measured[path.stem] = (last.n + 1, last.sha256) if last else (0, "")
    return measured


def _read_head(directory: Path) -> tuple[Run, str, list[str]]:
    path = directory / HEAD
    if not path.is_file():
        raise JournalError(
            f"{directory}: no journal here ({HEAD} is missing)",
            remedy="Give a directory below build/journals/; `harness verify` writes one.",
        )
    items = list(chain.decode(_bytes_of(path), chain.ORIGIN))
    problems = [f"{HEAD}: {item.what}" for item in items if isinstance(item, chain.Flaw)]
    lines = [item for item in items if isinstance(item, chain.Line)]
    problems += [f"{HEAD}: it holds {len(lines)} records instead of one"] if len(lines) > 1 else []
    try:
        return revive_run(lines[0].payload), lines[0].sha256, problems
    except (IndexError, Unreadable) as cause:
        raise JournalError(
            f"{path}: the head of this journal cannot be read ({cause})",
            remedy="It was cut off or edited; nothing can be decided from it: run `harness verify` again.",
        ) from None


def _head_hash(directory: Path) -> str:
    for item in chain.decode(_bytes_of(directory / HEAD), chain.ORIGIN):
        if isinstance(item, chain.Line):
            return item.sha256
    raise JournalError(f"{directory}: no journal here to join", remedy="Begin one with `harness verify`.")


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise JournalError(
            f"{path}: {cause.strerror or cause}", remedy="Give the directory of a journal that can be read."
        ) from None


def _full(path: Path, cause: OSError) -> JournalFull:
    return JournalFull(
        f"{path}: cannot be written: {cause.strerror or cause}",
        remedy=(
            "Make room there, or name another place with --journal, and run again. "
            f"What was written so far can be shown: harness report {path.parent}"
        ),
    )
