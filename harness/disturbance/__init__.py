"""What else this machine did while something was measured on it: other processes, the hypervisor, a quota."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean as _mean
from tempfile import NamedTemporaryFile
from typing import Final

import orjson

from harness.disturbance import watching
from harness.tomlfile import Closed, to_record
from harness.watchdog import RUN_VARIABLE

# Processors that others use, while less than one is left over: they take them from what is measured.
_OTHERS: Final = 0.15
_SPARE: Final = 1.0
_STOLEN: Final = 0.1
_THROTTLED: Final = 0.01
# A process that only waits is not woken up for so long, though a processor was free: the machine stood still.
_STILL_MS: Final = 50.0
_LEAVE_S: Final = 3.0
HYPERVISOR: Final = "the hypervisor"
QUOTA: Final = "the processor quota of the harness"
PAUSE: Final = "a pause of the machine"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment(Closed):
    """Half a second of this machine. began, ended: seconds of the monotonic clock.

    late_ms: the longest that a process which only waits was woken up too late. idle, stolen: processors that
    nobody used, and that the hypervisor gave to other machines. throttled: the part of the time in which this
    process's control group had used its quota up. others: processors used by processes of other runs.
    """

    began: float
    ended: float
    late_ms: float
    idle: float
    stolen: float
    throttled: float
    others: Mapping[str, float]

    def causes(self) -> Iterator[str]:
        """Yield what took time from the run; nothing where at most the run itself did."""
        if sum(self.others.values()) >= _OTHERS and self.idle < _SPARE:
            yield from (name for name, used in self.others.items() if used >= _OTHERS / _SHOWN)
        if self.stolen >= _STOLEN:
            yield HYPERVISOR
        if self.throttled >= _THROTTLED:
            yield QUOTA
        if self.late_ms >= _STILL_MS and self.idle >= _SPARE:
            yield PAUSE

    @property
    def disturbed(self) -> bool:
        """Whether something else than the run took time from it."""
        return any(self.causes())


@dataclass(slots=True)
class Watched:
    """What `watch` saw; complete at the end of its block. file: where it stands, line by line, meanwhile."""

    file: str = ""
    moments: tuple[Moment, ...] = field(default=())


class Following:
    """Reads the moments of a `watch` that is under way in another process."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)
        self._read = 0

    def new(self) -> list[Moment]:
        """Return those that have come since the last call."""
        with self._file.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + bool(whole)
        return [_moment(line) for line in whole.splitlines()]


@contextmanager
def watch() -> Iterator[Watched]:
    """Look at the machine as long as the block takes, from a process of its own."""
    with NamedTemporaryFile(prefix="watch-") as said:
        seen = Watched(said.name)
        # -I -S: no site packages, which would take most of its start.
        watcher = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", watching.__file__, os.environ.get(RUN_VARIABLE, "-")],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield seen
        finally:
            try:
                watcher.communicate(timeout=_LEAVE_S)
            except subprocess.TimeoutExpired:
                watcher.kill()
                watcher.communicate()
            seen.moments = tuple(Following(said.name).new())


def told(moments: Iterable[Moment]) -> str:
    """Say what disturbed the run in these moments, the longest first; "" where nothing did."""
    found: dict[str, list[Moment]] = {}
    for moment in moments:
        for cause in moment.causes():
            found.setdefault(cause, []).append(moment)
    longest = sorted(found.items(), key=lambda item: -len(item[1]))
    return ", ".join(_told(cause, its) for cause, its in longest[:_SHOWN])


def _told(cause: str, moments: list[Moment]) -> str:
    seconds = sum(moment.ended - moment.began for moment in moments)
    if cause == HYPERVISOR:
        return f"{cause} took {_mean(moment.stolen for moment in moments):.2f} processors for {seconds:.1f} s"
    if cause == QUOTA:
        return f"{cause} was used up in {seconds:.1f} s"
    if cause == PAUSE:
        return f"{cause} of {max(moment.late_ms for moment in moments):.0f} ms"
    used = _mean(moment.others[cause] for moment in moments)
    return f"{cause} used {used:.2f} processors for {seconds:.1f} s"


def _moment(line: bytes) -> Moment:
    remedy = "It is of this project: restore the file."
    return to_record(Moment, orjson.loads(line), source=watching.__file__, remedy=remedy)
