"""Counters in one SQLite file: exact between the processes of one machine, gone without harm.

A moving window is one row of at most SLICES + 1 slices, whatever the quota. Hits closer together than a slice
are kept as one and leave the window with the last of them: never early, at most one slice late. Hits are
judged in a short write transaction, so two processes can never both take the last place.

A transaction costs many times what it takes to judge a hit. So the hits that come in one turn of the event
loop share a transaction (group commit): the busier the worker is, the less each of them costs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from struct import iter_unpack, pack
from time import monotonic

from panotti.health import Probe, counters_check
from panotti.ratelimit.counters import CountersError, Hit

FILE = "counters.db"
# No index on `expires`, which every hit changes; files of older releases have one.
SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (key TEXT PRIMARY KEY, hits BLOB NOT NULL, expires REAL NOT NULL)
  WITHOUT ROWID;
DROP INDEX IF EXISTS windows_expires;
"""
CHANGE = "UPDATE windows SET hits = judge(key, hits), expires = ?2 WHERE key = ?1"
# Another process may have added the row meanwhile: then the second judgement is the one that holds.
ADD = """
INSERT INTO windows (key, hits, expires) VALUES (?1, judge(?1, x''), ?2)
ON CONFLICT (key) DO UPDATE SET hits = judge(key, hits), expires = excluded.expires
"""
# A transaction takes microseconds; a lock held longer than this is a fault, and the request gets a 503.
PATIENCE = 0.25
PAUSE = 0.0005
SLICES = 64
SLICE = "ddq"
# Every so many transactions so many rows are looked at, in the order of their keys.
SWEEP_EVERY = 256
SWEPT = "SELECT max(key) FROM (SELECT key FROM windows WHERE key > ?1 ORDER BY key LIMIT 256)"
SWEEP = """
DELETE FROM windows
WHERE expires <= ?2 AND key IN (SELECT key FROM windows WHERE key > ?1 ORDER BY key LIMIT 256)
"""


@dataclass(slots=True)
class _Window:
    """The hits of one key that still count at `now`, as slices (first hit, last hit, hits), oldest first."""

    now: float
    expiry: float
    slices: list[tuple[float, float, int]]
    count: int

    @classmethod
    def unpacked(cls, packed: bytes, now: float, expiry: float) -> _Window:
        slices: list[tuple[float, float, int]] = list(iter_unpack(SLICE, packed))
        # Hits from the future were made before a reboot.
        if slices and slices[-1][1] > now + 1:
            slices = []
        gone = 0
        while gone < len(slices) and slices[gone][1] <= now - expiry:
            gone += 1
        del slices[:gone]
        return cls(now, expiry, slices, sum([hits for _, _, hits in slices]))

    def packed(self) -> bytes:
        return b"".join([pack(SLICE, *piece) for piece in self.slices])

    def hit(self, limit: int) -> Hit:
        passed = self.count < limit
        if passed:
            self.count += 1
            self._add()
        oldest = self.slices[0][1] if self.slices else self.now
        return Hit(passed, self.count, oldest + self.expiry - self.now)

    def _add(self) -> None:
        if self.slices and self.now < self.slices[-1][0] + self.expiry / SLICES:
            first, _, hits = self.slices[-1]
            self.slices[-1] = (first, self.now, hits + 1)
        else:
            self.slices.append((self.now, self.now, 1))


@dataclass(slots=True, eq=False)
class _Attempt:
    """A hit that waits for its transaction, at most until the monotonic second `until`."""

    limit: int
    expiry: int
    until: float
    answer: asyncio.Future[Hit]
    hit: Hit | None = None


class SQLiteStorage:
    """Counts in `folder`/counters.db.

    The connection is opened at the first use, which must come after a fork. Times are read from the machine's
    monotonic clock, so that setting the clock neither frees nor blocks anybody; after a reboot that clock
    starts anew, and hits from the future are forgotten.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._waiting: dict[str, list[_Attempt]] = {}
        self._judging: dict[str, list[_Attempt]] = {}
        self._commits = 0
        self._swept = ""

    async def hit(self, key: str, limit: int, window: int) -> Hit:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # Whatever else is ready to run in this turn of the loop runs before, and may join.
            loop.call_soon(self._flush, loop)
        attempt = _Attempt(limit, window, monotonic() + PATIENCE, loop.create_future())
        self._waiting.setdefault(key, []).append(attempt)
        return await attempt.answer

    def probe(self, timeout: float) -> Probe:
        """What readiness asks; `timeout` in seconds."""
        return counters_check(self.file.absolute(), timeout)

    async def prepare(self) -> None:
        """Makes the file."""
        try:
            with _writing(self._open()):
                pass
        except (sqlite3.Error, OSError) as error:
            raise CountersError(f"{type(error).__name__}: {error}") from error

    async def reach(self) -> None:
        """A file is there or is made: nothing to wait for."""

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _flush(self, loop: asyncio.AbstractEventLoop) -> None:
        """Counts all that wait. While another process has the lock they wait on, each up to PATIENCE."""
        attempts, self._waiting = self._waiting, {}
        try:
            self._count(attempts)
        except Exception as error:  # whatever it is, somebody waits for it
            self._refuse(attempts, error)
            if self._waiting:
                loop.call_later(PAUSE, self._flush, loop)
            return
        for attempt in chain.from_iterable(attempts.values()):
            # A client that left took its request with it; its hit counts all the same.
            if attempt.hit is not None and not attempt.answer.done():
                attempt.answer.set_result(attempt.hit)

    def _refuse(self, attempts: dict[str, list[_Attempt]], error: Exception) -> None:
        busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
        now = monotonic()
        for key, attempt in ((key, attempt) for key, several in attempts.items() for attempt in several):
            if busy and now < attempt.until:
                self._waiting.setdefault(key, []).append(attempt)
            elif not attempt.answer.done():
                attempt.answer.set_exception(CountersError(f"{type(error).__name__}: {error}"))

    def _count(self, attempts: dict[str, list[_Attempt]]) -> None:
        connection = self._open()
        self._judging = attempts
        if len(attempts) == 1:
            # One statement is a transaction of its own.
            self._change(connection, *attempts)
        else:
            with _writing(connection):
                for key in attempts:
                    self._change(connection, key)
        self._commits += 1
        if not self._commits % SWEEP_EVERY:
            self._sweep(connection)

    def _change(self, connection: sqlite3.Connection, key: str) -> None:
        values = (key, monotonic() + 2 * self._judging[key][0].expiry)
        if not connection.execute(CHANGE, values).rowcount:
            connection.execute(ADD, values)

    def _judge(self, key: str, packed: bytes) -> bytes:
        """The row's new value, which SQLite asks for while it holds the lock."""
        attempts = self._judging[key]
        # Read under the lock: two hits are stored in the order of their times.
        window = _Window.unpacked(packed, monotonic(), attempts[0].expiry)
        for attempt in attempts:
            attempt.hit = window.hit(attempt.limit)
        return window.packed()

    def _sweep(self, connection: sqlite3.Connection) -> None:
        """Drops rows of callers that stopped calling, so that the file stays small."""
        # A lock in its way is no failure of the hits that were counted before it.
        with suppress(sqlite3.Error), _writing(connection):
            last = connection.execute(SWEPT, (self._swept,)).fetchone()[0]
            connection.execute(SWEEP, (self._swept, monotonic()))
            self._swept = last or ""

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = sqlite3.connect(self.file, timeout=PATIENCE, isolation_level=None)
            self.file.chmod(0o600)
            # A killed process must not leave a broken file (so WAL); a crash of the machine may lose counts.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(SCHEMA)
            # From here on a held lock is waited for in _flush, where other requests can go on meanwhile.
            connection.execute("PRAGMA busy_timeout = 0")
            connection.create_function("judge", 2, self._judge)
            self._connection = connection
        return self._connection


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that has the lock from its beginning."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
