"""Waiting: for what a control demands, for what the target is to do, and for several calls at once."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from harness.evidence import record, waited
from harness.records import Measurement

T = TypeVar("T")
_EVERY_S = 0.02


def demanded_wait(seconds: float, *, why: str, until: Callable[[], object] | None = None) -> bool:
    """Wait as the control demands (a window, an expiry), accounted apart from the harness's own time.

    until: end early once it is true; the result says whether it became so (True without it).
    """
    started = time.perf_counter()
    reached = _poll(until, seconds) if until else _sleep(seconds)
    ended = time.perf_counter()
    waited("demanded", started, ended)
    record(Measurement(name=f"waited: {why}", value=round(ended - started, 3), unit="s", samples=1))
    return reached


def eventually(condition: Callable[[], T], *, timeout_s: float = 5.0) -> T:
    """Return the first true value of `condition`, or its last when `timeout_s` is over. The target's time."""
    started = time.perf_counter()
    deadline = time.monotonic() + timeout_s
    try:
        while not (value := condition()) and time.monotonic() < deadline:
            time.sleep(_EVERY_S)
        return value
    finally:
        waited("target", started, time.perf_counter())


def together(*calls: Callable[[], T], at_once: int | None = None) -> list[T]:
    """Run the calls at the same time, each with the current check's Recorder; return their results in
    order. at_once: how many run at a time, all without it."""
    with ThreadPoolExecutor(max_workers=max(min(len(calls), at_once or len(calls)), 1)) as pool:
        futures = [pool.submit(contextvars.copy_context().run, call) for call in calls]
        return [future.result() for future in futures]


@contextmanager
def meanwhile(call: Callable[[], T]) -> Iterator[Future[T]]:
    """Run `call` in the background of the block, with the current check's Recorder, and wait for its end."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(contextvars.copy_context().run, call)


def _sleep(seconds: float) -> bool:
    time.sleep(max(seconds, 0))
    return True


def _poll(until: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not until():
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(_EVERY_S, left))
    return True
