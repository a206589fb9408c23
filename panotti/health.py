"""Whether the server can serve: its dependencies, asked at an interval, each in a thread of its own.

A probe opens a connection of its own and takes the write lock: a pool goes on working for a while on a file
that was deleted, and a reader does not notice a lock. A probe that hangs is reported and left alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

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


class Monitor:
    """Asks every dependency each `interval` seconds and waits at most `timeout` seconds for the answer."""

    def __init__(self, checks: Mapping[str, Check], *, timeout: float, interval: float) -> None:
        self._checks = checks
        self._timeout = timeout
        self._interval = interval
        self._hung: dict[str, threading.Thread] = {}
        self._task: asyncio.Task[None] | None = None
        self.statuses = {name: DependencyStatus(reason="not asked yet") for name in checks}

    @property
    def ready(self) -> bool:
        return all(status.ok for status in self.statuses.values())

    async def start(self) -> None:
        """Asks once, then goes on in the background."""
        await self.ask()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ask(self) -> None:
        """Asks every dependency now."""
        names = list(self._checks)
        self.statuses = dict(zip(names, await asyncio.gather(*map(self._one, names)), strict=True))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.ask()

    async def _one(self, name: str) -> DependencyStatus:
        hung = self._hung.get(name)
        if hung is not None and hung.is_alive():
            return DependencyStatus(reason="an earlier probe still hangs")
        self._hung.pop(name, None)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()
        thread = threading.Thread(
            target=_ask, args=(self._checks[name], loop, answer), name=f"probe-{name}", daemon=True
        )
        thread.start()
        try:
            return DependencyStatus(reason=await asyncio.wait_for(answer, self._timeout))
        except TimeoutError:
            self._hung[name] = thread
            return DependencyStatus(reason=f"no answer within {self._timeout:g} s")


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


def database_check(file: Path, timeout: float) -> Check:
    """A check that the database file is there, migrated, and lets somebody write."""
    return partial(_check_write_lock, file, timeout * LOCK_SHARE, f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608  a constant


def counters_check(file: Path, timeout: float) -> Check:
    """A check that the file of the shared counters is there, made, and lets somebody write."""
    return partial(_check_write_lock, file, timeout * LOCK_SHARE, "SELECT 1 FROM counters LIMIT 1")


def _check_write_lock(file: Path, timeout: float, query: str) -> None:
    # mode=rw: looking must not make the file that is missing.
    connection = sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=timeout, isolation_level=None)
    try:
        connection.execute(query).fetchone()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    finally:
        connection.close()
