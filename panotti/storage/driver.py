"""aiosqlite with one change of thread a statement.

aiosqlite sends making a cursor, executing, fetching and closing to its thread one by one, and each crossing
costs more than a small statement itself. Here they cross together, under the same interface.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    description: Any
    rowcount: int
    lastrowid: int | None
    rows: list[Any]


NOTHING = _Outcome(description=None, rowcount=-1, lastrowid=None, rows=[])
Run = Callable[[sqlite3.Cursor], sqlite3.Cursor]


class Cursor:
    """The part of a DBAPI cursor that SQLAlchemy uses, with the whole outcome of the last statement."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._outcome = NOTHING
        self.arraysize = 1

    @property
    def description(self) -> Any:
        return self._outcome.description

    @property
    def rowcount(self) -> int:
        return self._outcome.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._outcome.lastrowid

    async def __aenter__(self) -> Cursor:
        return self

    async def execute(self, statement: str, parameters: Any = ()) -> None:
        self._outcome = await self._connection.run(lambda cursor: cursor.execute(statement, parameters))

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> None:
        self._outcome = await self._connection.run(lambda cursor: cursor.executemany(statement, parameters))

    async def fetchall(self) -> list[Any]:
        return self._outcome.rows

    async def close(self) -> None:
        """Nothing is open: the cursor in the thread was closed when its rows had been fetched."""


class Connection(aiosqlite.Connection):
    """An aiosqlite connection whose cursors cross once."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        # A statement that hangs must not keep the process from ending.
        self._thread.daemon = True

    def cursor(self) -> Cursor:  # type: ignore[override]
        return Cursor(self)

    async def run(self, run: Run) -> _Outcome:
        """Runs a statement in the connection's thread, to the end of its rows."""
        outcome: _Outcome = await self._execute(_run, self._conn, run)  # type: ignore[no-untyped-call]
        return outcome

    async def rollback(self) -> None:
        # The pool rolls back at every return; after a commit there is nothing to cross for.
        if self.in_transaction:
            await super().rollback()


def connect(file: Path, timeout: float) -> Connection:
    """A connection to an existing file; `timeout` (seconds) bounds the wait for a lock.

    A database file that is gone is a failure, not an invitation to make an empty one.
    """
    address = f"{file.absolute().as_uri()}?mode=rw"
    return Connection(partial(sqlite3.connect, address, uri=True, timeout=timeout, isolation_level=None))


def _run(connection: sqlite3.Connection, run: Run) -> _Outcome:
    cursor = run(connection.cursor())
    try:
        rows = cursor.fetchall() if cursor.description else []
        return _Outcome(
            description=cursor.description, rowcount=cursor.rowcount, lastrowid=cursor.lastrowid, rows=rows
        )
    finally:
        cursor.close()
