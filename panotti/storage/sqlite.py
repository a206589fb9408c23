"""SQLite: one file, for one machine. Who may wait for it, what it promises, how its failures are named.

Reads and writes have pools of their own. SQLite has one writer at a time, so one connection a worker writes:
waiting in the pool is cheaper than waiting for SQLite's lock.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import AsyncAdaptedQueuePool, Connection, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from panotti.errors import StartError
from panotti.health import Probe, database_check
from panotti.storage.database import Result, full, unavailable
from panotti.storage.driver import connect

READERS = 4
BUSY_TIMEOUT = 30
# In WAL mode only FULL syncs the log at every commit; the default may lose the last ones with the power.
PRAGMAS = ("synchronous=FULL", "foreign_keys=ON")


class SQLiteStore:
    """The file. `timeout` (seconds) bounds every wait for a connection or a lock."""

    kind = "sqlite"

    def __init__(self, file: Path, *, timeout: float) -> None:
        self._file = file
        self._timeout = timeout

    @property
    def place(self) -> str:
        return f"data_dir: the database {self._file}"

    def open(self) -> SQLiteDatabase:
        return SQLiteDatabase(self._file, timeout=self._timeout)

    def probe(self) -> Probe:
        return database_check(self._file.absolute(), self._timeout)

    async def reach(self) -> None:
        """A file is there or is made: nothing to wait for."""

    def exclusively(self, work: Callable[[Connection], Result]) -> Result:
        try:
            self._make()
            engine = create_engine(f"sqlite:///{self._file.absolute()}", poolclass=NullPool)
            # Two servers that start on one file: the second waits, then finds the work done.
            event.listen(engine, "connect", _leave_transactions_alone)
            event.listen(engine, "begin", _begin_immediate)
            with engine.begin() as connection:
                return work(connection)
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:
            raise StartError([f"{self.place} cannot be opened: {error}"]) from error

    def _make(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with closing(sqlite3.connect(self._file, timeout=BUSY_TIMEOUT)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        self._file.chmod(0o600)


class SQLiteDatabase:
    """Two pools on one SQLite file. `timeout` (seconds) bounds every wait for a connection or a lock."""

    def __init__(self, file: Path, *, timeout: float) -> None:
        self._file = file
        self._readers = self._engine(READERS, timeout, isolation_level="AUTOCOMMIT")
        self._writer = self._engine(1, timeout)
        event.listen(self._writer.sync_engine, "begin", _begin_immediate)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with. Raises Problem 503 when the database is out of reach."""
        with _named_failures():
            async with self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, durable (fsync) once left. Raises Problem 503, or 507 when the disk is full."""
        with _named_failures():
            async with self._writer.begin() as connection:
                yield connection

    async def close(self) -> None:
        await self._readers.dispose()
        await self._writer.dispose()

    def _engine(self, size: int, timeout: float, **options: Any) -> AsyncEngine:
        engine = create_async_engine(
            "sqlite+aiosqlite://",
            async_creator=partial(_connect, self._file, timeout),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=size,
            max_overflow=0,
            pool_timeout=timeout,
            **options,
        )
        event.listen(engine.sync_engine, "connect", self._on_connect)
        event.listen(engine.sync_engine, "checkout", self._on_checkout)
        return engine

    def _on_connect(self, connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        record.info["file"] = _identity(self._file)

    def _on_checkout(self, _connection: Any, record: Any, _proxy: Any) -> None:
        # In WAL mode SQLite goes on writing, and succeeds, on a file that was deleted or renamed.
        if record.info.get("file") != _identity(self._file):
            raise DisconnectionError("the database file was replaced")


async def _connect(file: Path, timeout: float) -> aiosqlite.Connection:
    return await connect(file, timeout)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        stat = os.stat(file)  # noqa: PTH116  half the cost of Path.stat, on every request
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def _leave_transactions_alone(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: Any) -> None:
    # A deferred transaction that turns into a write cannot wait for the lock: it fails at once.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise full() from error
        if isinstance(error.orig, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError):
            raise
        raise unavailable() from error
    except SQLAlchemyError as error:
        raise unavailable() from error
