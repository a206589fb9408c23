"""A storage for the `limits` library in one SQLite file: exact between processes, gone without harm.

A moving window is one row of at most SLICES + 1 slices, whatever the quota. Hits closer together than a slice
are kept as one and leave the window with the last of them: never early, at most one slice late. A hit is one
short write transaction, so two processes can never both take the last place.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import iter_unpack, pack
from time import monotonic, time
from typing import TypeVar

from limits.aio.storage.base import MovingWindowSupport, Storage

from panotti.health import Probe, counters_check

Result = TypeVar("Result")

FILE = "counters.db"
SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (key TEXT PRIMARY KEY, hits BLOB NOT NULL, expires REAL NOT NULL)
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS windows_expires ON windows (expires);
CREATE TABLE IF NOT EXISTS counters (key TEXT PRIMARY KEY, count INTEGER NOT NULL, expires REAL NOT NULL)
  WITHOUT ROWID;
"""
COUNT = """
INSERT INTO counters (key, count, expires) VALUES (:key, :amount, :now + :expiry)
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN expires > :now AND expires <= :now + :expiry THEN count ELSE 0 END + :amount,
  expires = CASE WHEN expires > :now AND expires <= :now + :expiry THEN expires ELSE :now + :expiry END
RETURNING count
"""
# A transaction takes microseconds; a lock held longer than this is a fault, and the request gets a 503.
PATIENCE = 0.25
PAUSE = 0.0005
SLICES = 64
SLICE = "ddq"
HIT = "UPDATE windows SET hits = judge(hits, expires, ?, ?, ?) WHERE key = ?"
EXPIRE = "UPDATE windows SET expires = ? WHERE key = ?"
SWEEP_EVERY = 256
SWEEP_ROWS = 64


@dataclass(slots=True)
class _Hit:
    """One attempt to take `amount` places of `limit`: what SQLite asks about the row while it holds the lock.

    The slices of a window that still count are kept oldest first, each as (first hit, last hit, hits).
    """

    limit: int
    expiry: float
    amount: int
    passed: bool = False
    count: int = 0
    start: float = 0.0
    now: float = 0.0
    expires: float = 0.0

    def judge(self, packed: bytes, expires: float) -> bytes:
        """The row's new value, which is the old one if the hit is refused."""
        # Read under the lock: two hits are stored in the order of their times.
        self.now = monotonic()
        self.expires = expires
        slices = _live(packed, self.now, self.expiry)
        self.count = sum(hits for _, _, hits in slices)
        self.passed = self.count + self.amount <= self.limit
        if self.passed:
            self.count += self.amount
            self._add(slices)
            packed = b"".join([pack(SLICE, *piece) for piece in slices])
        self.start = slices[0][1] if slices else self.now
        return packed

    def _add(self, slices: list[tuple[float, float, int]]) -> None:
        if slices and self.now < slices[-1][0] + self.expiry / SLICES:
            first, _, hits = slices[-1]
            slices[-1] = (first, self.now, hits + self.amount)
        else:
            slices.append((self.now, self.now, self.amount))


def _live(packed: bytes, now: float, expiry: float) -> list[tuple[float, float, int]]:
    """The slices that still count, oldest first."""
    slices: list[tuple[float, float, int]] = list(iter_unpack(SLICE, packed))
    # Hits from the future were made before a reboot.
    if slices and slices[-1][1] > now + 1:
        return []
    gone = 0
    while gone < len(slices) and slices[gone][1] <= now - expiry:
        gone += 1
    return slices[gone:]


class SQLiteStorage(Storage, MovingWindowSupport):
    """Counts in `folder`/counters.db, for the fixed and the moving window strategies.

    The connection is opened at the first use, which must come after a fork. Times are read from the machine's
    monotonic clock, so that setting the clock neither frees nor blocks anybody; after a reboot that clock
    starts anew, and hits from the future are forgotten.

    Raises limits.errors.StorageError when the file cannot be used.
    """

    STORAGE_SCHEME = None

    def __init__(self, folder: Path) -> None:
        super().__init__(wrap_exceptions=True)
        self.file = folder / FILE
        self._connection: sqlite3.Connection | None = None
        self._writes = 0
        self._hit = _Hit(limit=0, expiry=1, amount=1)
        self._seen: tuple[str, float, int] | None = None

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        return (sqlite3.Error, OSError)

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        connection = self._open()
        # One statement is one transaction, so the usual hit needs no more than this.
        while not (await _patiently(connection, HIT, (limit, expiry, amount, key))).rowcount:
            await _patiently(connection, "INSERT OR IGNORE INTO windows VALUES (?, x'', 0)", (key,))
        # Nobody else ran since the statement did: awaiting what does not wait gives nobody a turn.
        hit = self._hit
        if hit.expires < hit.now + expiry:
            # For two windows, so that the index on it does not change at every hit.
            await _patiently(connection, EXPIRE, (hit.now + 2 * expiry, key))
        self._seen = (key, hit.start, hit.count)
        self._writes += 1
        if not self._writes % SWEEP_EVERY:
            await self._write(_sweep)
        return hit.passed

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        del limit  # the interface's; only hits under the limit were stored
        now = monotonic()
        # The strategies ask for this right after a hit, which has just read it.
        seen, self._seen = self._seen, None
        if seen is None or seen[0] != key:
            row = self._open().execute("SELECT hits FROM windows WHERE key = ?", (key,)).fetchone()
            slices = _live(row[0] if row else b"", now, expiry)
            seen = (key, slices[0][1] if slices else now, sum(hits for _, _, hits in slices))
        return seen[1] - now + time(), seen[2]

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        def count(connection: sqlite3.Connection, now: float) -> int:
            values = {"key": key, "amount": amount, "expiry": expiry, "now": now}
            row: tuple[int] = connection.execute(COUNT, values).fetchone()
            return row[0]

        return await self._write(count)

    async def get(self, key: str) -> int:
        query = "SELECT count FROM counters WHERE key = ? AND expires > ?"
        row = self._open().execute(query, (key, monotonic())).fetchone()
        return row[0] if row else 0

    async def get_expiry(self, key: str) -> float:
        now = monotonic()
        query = "SELECT expires FROM counters WHERE key = ? AND expires > ?"
        row = self._open().execute(query, (key, now)).fetchone()
        return time() + (row[0] - now if row else 0)

    async def check(self) -> bool:
        await self._write(lambda *_: None)
        return True

    async def reset(self) -> int:
        def forget(connection: sqlite3.Connection, _now: float) -> int:
            tables = ("DELETE FROM windows", "DELETE FROM counters")
            return sum(connection.execute(table).rowcount for table in tables)

        return await self._write(forget)

    async def clear(self, key: str) -> None:
        def forget(connection: sqlite3.Connection, _now: float) -> None:
            connection.execute("DELETE FROM windows WHERE key = ?", (key,))
            connection.execute("DELETE FROM counters WHERE key = ?", (key,))

        await self._write(forget)

    def probe(self, timeout: float) -> Probe:
        """What readiness asks; `timeout` in seconds."""
        return counters_check(self.file.absolute(), timeout)

    async def prepare(self) -> None:
        """Makes the file."""
        await self.check()

    async def reach(self) -> None:
        """A file is there or is made: nothing to wait for."""

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _write(self, work: Callable[[sqlite3.Connection, float], Result]) -> Result:
        connection = self._open()
        await _patiently(connection, "BEGIN IMMEDIATE")
        try:
            result = work(connection, monotonic())
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return result

    def _judge(self, packed: bytes, expires: float, limit: int, expiry: float, amount: int) -> bytes:
        self._hit = _Hit(limit=limit, expiry=expiry, amount=amount)
        return self._hit.judge(packed, expires)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            connection = sqlite3.connect(self.file, timeout=PATIENCE, isolation_level=None)
            self.file.chmod(0o600)
            # A killed process must not leave a broken file (so WAL); a crash of the machine may lose counts.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(SCHEMA)
            # From here on a held lock is waited for in _patiently, where other requests can go on meanwhile.
            connection.execute("PRAGMA busy_timeout = 0")
            connection.create_function("judge", 5, self._judge)
            self._connection = connection
        return self._connection


async def _patiently(
    connection: sqlite3.Connection, statement: str, values: Sequence[object] = ()
) -> sqlite3.Cursor:
    """Execute, waiting up to PATIENCE for a lock; other requests go on meanwhile."""
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                raise
            await asyncio.sleep(PAUSE)


def _sweep(connection: sqlite3.Connection, now: float) -> None:
    """Drop a few rows of callers that stopped calling, so that the file stays small."""
    old = "(SELECT key FROM windows WHERE expires <= ? LIMIT ?)"
    connection.execute(f"DELETE FROM windows WHERE key IN {old}", (now, SWEEP_ROWS))  # noqa: S608 - constant
    connection.execute("DELETE FROM counters WHERE expires <= ?", (now,))
