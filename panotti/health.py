"""Whether the server can serve: its dependencies, asked at an interval, each on a connection of its own.

A file is asked for its write lock, in a thread: a pool goes on working for a while on a file that was
deleted, and a reader does not notice a lock. A thread that hangs is reported and left alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol

from panotti.background import Recurring
from panotti.storage.models import VERSION_TABLE

Check = Callable[[], None]
# SQLite's own wait has to end before the probe's, to be told apart from a hang.
LOCK_SHARE = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyStatus:
    """`reason` is None while the dependency is there."""

    reason: str | None

    @property
    def ok(self) -> bool:
        return self.reason is None

    def document(self) -> dict[str, str]:
        return {"status": "ok"} if self.reason is None else {"status": "unavailable", "reason": self.reason}


class Probe(Protocol):
    """What is asked of one dependency."""

    async def ask(self) -> str | None:
        """Why the dependency cannot serve; None if it can. Cancelled when it takes too long."""
        ...

    async def close(self) -> None:
        """Ends the connection that it may keep."""
        ...


class InThread:
    """A check that blocks, as a probe: None is asked while an earlier one still hangs."""

    def __init__(self, name: str, check: Check) -> None:
        self._name = name
        self._check = check
        self._hung: threading.Thread | None = None

    async def ask(self) -> str | None:
        if self._hung is not None and self._hung.is_alive():
            return "an earlier probe still hangs"
        self._hung = None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()
        thread = threading.Thread(
            target=_ask, args=(self._check, loop, answer), name=f"probe-{self._name}", daemon=True
        )
        thread.start()
        try:
            return await answer
        except asyncio.CancelledError:
            self._hung = thread
            raise

    async def close(self) -> None:
        """Nothing is kept."""


# A probe that bounds itself by the same timeout is not cut off while it gives its connection back.
SLACK = 0.25


class Monitor:
    """Asks every dependency each `interval` seconds and waits at most `timeout` seconds for the answer.

    What it saw is known no longer once the next look is late by a whole interval.
    """

    def __init__(self, probes: Mapping[str, Probe], *, timeout: float, interval: float) -> None:
        self._probes = probes
        self._timeout = timeout
        self._looks = Recurring("monitor", self.ask, interval=interval)
        self._stale_after = 2 * interval + timeout + SLACK
        self._seen = {name: DependencyStatus(reason="not asked yet") for name in probes}
        self._seen_at = monotonic()

    @property
    def statuses(self) -> dict[str, DependencyStatus]:
        """What is known of each dependency now."""
        age = monotonic() - self._seen_at
        if age <= self._stale_after:
            return self._seen
        return {name: DependencyStatus(reason=f"not asked for {age:.0f} s") for name in self._seen}

    @property
    def ready(self) -> bool:
        return all(status.ok for status in self.statuses.values())

    async def start(self) -> None:
        """Asks once, then goes on in the background."""
        await self.ask()
        self._looks.start()

    async def stop(self) -> None:
        await self._looks.stop()
        await asyncio.gather(*(probe.close() for probe in self._probes.values()))

    async def ask(self) -> None:
        """Asks every dependency now."""
        names = list(self._probes)
        self._seen = dict(zip(names, await asyncio.gather(*map(self._one, names)), strict=True))
        self._seen_at = monotonic()

    async def _one(self, name: str) -> DependencyStatus:
        answer = self._probes[name].ask()
        try:
            return DependencyStatus(reason=await asyncio.wait_for(answer, self._timeout + SLACK))
        except TimeoutError:
            return DependencyStatus(reason=f"no answer within {self._timeout:g} s")
        except Exception as error:  # that it cannot be asked says nothing good of it
            return DependencyStatus(reason=f"{type(error).__name__}: {error}")


def _ask(check: Check, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[str | None]) -> None:
    try:
        check()
        reason = None
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    if not loop.is_closed():
        loop.call_soon_threadsafe(_settle, answer, reason)


def _settle(answer: asyncio.Future[str | None], reason: str | None) -> None:
    if not answer.done():
        answer.set_result(reason)


def database_check(file: Path, timeout: float) -> Probe:
    """A probe whether the database file is there, migrated, and lets somebody write."""
    query = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608  a constant
    return InThread("database", partial(_check_write_lock, file, timeout * LOCK_SHARE, query))


def counters_check(file: Path, timeout: float) -> Probe:
    """A probe whether the file of the shared counters is there, made, and lets somebody write."""
    query = "SELECT 1 FROM windows LIMIT 1"
    return InThread("counters", partial(_check_write_lock, file, timeout * LOCK_SHARE, query))


def _check_write_lock(file: Path, timeout: float, query: str) -> None:
    # mode=rw: looking must not make the file that is missing.
    connection = sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute(query).fetchone()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    finally:
        connection.close()
