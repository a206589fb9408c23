"""What the server asks of its database, whichever it is: sqlite.py and postgresql.py realise it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.health import Probe
from panotti.problems import Problem

Result = TypeVar("Result")
RETRY_AFTER = ((b"retry-after", b"1"),)


class Database(Protocol):
    """The database of one worker: its pools, on its event loop."""

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection to read with. Raises Problem 503 when the database is out of reach."""
        ...

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction, durable once left. Raises Problem 503, or 507 when the disk is full."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class Store(Protocol):
    """Where the data is. Nothing is opened before it is used, so it may be made before a fork."""

    @property
    def kind(self) -> str:
        """The kind of database, in lower case."""
        ...

    @property
    def place(self) -> str:
        """The setting and its value, for messages; never a password."""
        ...

    def open(self) -> Database:
        """The database for this process."""
        ...

    def probe(self) -> Probe:
        """What readiness asks."""
        ...

    async def reach(self) -> None:
        """Tries once. Raises UnreachableError when later may be better, StartError when it will not be."""
        ...

    def exclusively(self, work: Callable[[Connection], Result]) -> Result:
        """The result of `work` in one transaction that no other server's migration runs beside.

        Raises StartError naming the place when the database cannot be used.
        """
        ...


def unavailable() -> Problem:
    return Problem(503, "Service Unavailable", "The database is not available; try again.", RETRY_AFTER)


def full() -> Problem:
    return Problem(507, "Insufficient Storage", "The storage is full; nothing was written.")
