"""What a check saw, and where its seconds went.

Probes call `record`; the check's own `Recorder` takes it (found by context variable, so that checks need
no plumbing).
A check whose Recorder holds nothing cannot pass.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.records import Chart, Diagram, Evidence, Exchange, Json, Measurement, Observation, Table
from harness.redaction import VAULT

_HEAD = 8  # the first records of a check show its stimulus, the last what it was judged on
Purpose = Literal["target", "demanded"]
Use = Literal["measuring", "rollout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Where the wall time went. target: waiting for the target's answers; demanded: waits that a control
    demands."""

    target_s: float
    demanded_s: float


class Recorder:
    """One check's evidence, in the order in which it was taken, and its spans of waiting.

    deadline: `time.monotonic()` second at which the check is to have ended.
    uses: the costly things that it has used. refused: those that the run's depth leaves out.
    Safe to use from several threads.
    """

    def __init__(self, *, deadline: float = float("inf"), refused: frozenset[Use] = frozenset()) -> None:
        self.deadline = deadline
        self.refused = refused
        self.uses: set[Use] = set()
        self._lock = threading.Lock()
        self._evidence: list[Evidence | Callable[[], Evidence]] = []
        self._spans: dict[Purpose, list[tuple[float, float]]] = {"target": [], "demanded": []}

    @property
    def total(self) -> int:
        """How many records were taken."""
        return len(self._evidence)

    def add(self, evidence: Evidence | Callable[[], Evidence]) -> None:
        """Keep one record, already free of secrets, or how to make it if it turns out to be a telling one."""
        with self._lock:
            self._evidence.append(evidence)

    def waited(self, purpose: Purpose, started: float, ended: float) -> None:
        """Count a span of `time.perf_counter()` seconds; spans may overlap, and are counted once."""
        with self._lock:
            self._spans[purpose].append((started, ended))

    def telling(self, limit: int = 40) -> tuple[Evidence, ...]:
        """Return at most `limit` records, the first few and the last, and every exhibit besides."""
        taken = self._evidence
        last = len(taken) - max(limit - _HEAD, 0)
        kept = (
            item
            for number, item in enumerate(taken)
            if len(taken) <= limit or number < min(_HEAD, limit) or number >= last or _is_exhibit(item)
        )
        return tuple(item() if callable(item) else item for item in kept)

    def seconds(self) -> Seconds:
        """Return the time waited so far; what overlaps a demanded wait is not the target's."""
        demanded = _union(self._spans["demanded"])
        both = _union([*self._spans["demanded"], *self._spans["target"]])
        return Seconds(target_s=_length(both) - _length(demanded), demanded_s=_length(demanded))


_current: Final[ContextVar[Recorder | None]] = ContextVar("recorder", default=None)
_preparing: Final[ContextVar[bool]] = ContextVar("preparing", default=False)


@contextmanager
def recording(recorder: Recorder) -> Iterator[Recorder]:
    """Make `recorder` the one that takes evidence inside the block."""
    token = _current.set(recorder)
    try:
        yield recorder
    finally:
        _current.reset(token)


@contextmanager
def preparing() -> Iterator[None]:
    """Inside, answers below 400 are set-up and no evidence: a key that was made proves nothing about a
    control."""
    token = _preparing.set(True)
    try:
        yield
    finally:
        _preparing.reset(token)


def current() -> Recorder | None:
    """Return the Recorder of the check that runs here, None outside of one."""
    return _current.get()


def record(evidence: Evidence) -> None:
    """Give the current check a record, without its secrets. Outside of a check nobody keeps it."""
    recorder = _current.get()
    if recorder is None or (_preparing.get() and _is_set_up(evidence)):
        return
    recorder.add(_clean(evidence))


def record_exchange(status: int, make: Callable[[], Exchange]) -> None:
    """Give the current check an exchange, made when it is shown: most of many never are."""
    recorder = _current.get()
    if recorder is not None and not (_preparing.get() and 0 < status < 400):
        recorder.add(make)


def waited(purpose: Purpose, started: float, ended: float) -> None:
    """Count a span of `time.perf_counter()` seconds of the current check."""
    recorder = _current.get()
    if recorder is not None:
        recorder.waited(purpose, started, ended)


@contextmanager
def waiting_for_target() -> Iterator[None]:
    """Count the block as the target's time, less the processor time that this thread itself uses in it."""
    started, used = time.perf_counter(), time.thread_time()
    try:
        yield
    finally:
        ended = time.perf_counter()
        waited("target", min(started + time.thread_time() - used, ended), ended)


def _is_exhibit(item: object) -> bool:
    return isinstance(item, Chart | Table | Diagram)


def _is_set_up(evidence: Evidence) -> bool:
    return not isinstance(evidence, Exchange) or 0 < evidence.status < 400


def _clean(evidence: Evidence) -> Evidence:
    match evidence:
        case Exchange():
            return evidence  # cleaned where it is made, because its bodies are cut after that
        case Measurement():
            return replace(evidence, detail=_hide(evidence.detail))
        case Observation():
            return replace(evidence, subject=VAULT.text(evidence.subject), data=_hide(evidence.data))
        case Table():
            rows = (tuple(VAULT.text(v) if isinstance(v, str) else v for v in row) for row in evidence.rows)
            return replace(evidence, rows=tuple(rows))
        case Chart() | Diagram():
            return evidence  # names and numbers of the harness's own


def _hide(data: Mapping[str, Json]) -> dict[str, Json]:
    hidden = VAULT.data(dict(data))
    assert isinstance(hidden, dict)
    return hidden


def _union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _length(spans: list[tuple[float, float]]) -> float:
    return sum(end - start for start, end in spans)
