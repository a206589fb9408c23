"""PostgreSQL: one database for all replicas. What it promises, and how its failures are named.

Every wait is bounded on both sides: the client gives up on an answer, the server on a statement, on a lock
and on a transaction that its client left open. A connection that has not answered is cut: nothing is said on
it any more, not even ROLLBACK, because the next answer would have to be waited for too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import asyncpg
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from panotti.errors import StartError, UnreachableError
from panotti.storage.database import Result, full, unavailable
from panotti.storage.models import VERSION_TABLE

DISK_FULL = "53100"
# Classes of errors that are the statement's own: retrying it would not help.
OWN_ERRORS = ("22", "23", "42")
# What another password, role or database would be needed for (PostgreSQL manual, appendix A).
REFUSED = ("28", "3D")
# Migrations of servers that start together take turns on this number; any would do that is always the same.
MIGRATION_LOCK: Final = 0x70616E6F747469
# Seconds without use after which a connection is asked before a request depends on it: a peer that is gone
# together with its network says nothing, and only an answer that does not come shows it.
IDLE: Final = 1.0
# One statement of a migration may rewrite a table.
MIGRATION_TIMEOUT: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server is, and who calls it. `url` is the setting, which holds no password."""

    url: str
    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)

    async def connect(self, timeout: float, *, statement_timeout: float) -> asyncpg.Connection:
        """A connection within `timeout` seconds, whose statements take at most `statement_timeout`."""
        statement_ms, lock_ms = (str(int(seconds * 1000)) for seconds in (statement_timeout, timeout))
        return await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            database=self.database,
            password=self.password,
            timeout=timeout,
            command_timeout=statement_timeout,
            ssl=False,
            server_settings={
                "application_name": "panotti",
                # Whatever the cluster's default: a commit is on the disk before it is answered.
                "synchronous_commit": "on",
                "statement_timeout": statement_ms,
                "lock_timeout": lock_ms,
                "idle_in_transaction_session_timeout": statement_ms,
            },
        )


class PostgreSQLStore:
    """The database at an address. `timeout` (seconds) bounds every wait, `pool` the connections a process."""

    kind = "postgresql"

    def __init__(self, address: Address, *, timeout: float, pool: int) -> None:
        self._address = address
        self._timeout = timeout
        self._pool = pool

    @property
    def place(self) -> str:
        return f"database_url: {self._address.url}"

    def open(self) -> PostgreSQLDatabase:
        return PostgreSQLDatabase(self._address, timeout=self._timeout, pool=self._pool)

    def probe(self) -> PostgreSQLProbe:
        return PostgreSQLProbe(self._address, timeout=self._timeout)

    async def reach(self) -> None:
        try:
            connection = await self._address.connect(self._timeout, statement_timeout=self._timeout)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = f"{self.place}: {_told(error)}"
            if (getattr(error, "sqlstate", None) or "").startswith(REFUSED):
                raise StartError([f"{reason} (is database_password the one of this user?)"]) from error
            raise UnreachableError(reason) from error
        connection.terminate()

    def exclusively(self, work: Callable[[Connection], Result]) -> Result:
        try:
            return asyncio.run(self._exclusively(work))
        except (OSError, asyncpg.PostgresError, SQLAlchemyError) as error:
            raise StartError([f"{self.place} cannot be migrated: {_told(error)}"]) from error

    async def _exclusively(self, work: Callable[[Connection], Result]) -> Result:
        connect = partial(self._address.connect, MIGRATION_TIMEOUT, statement_timeout=MIGRATION_TIMEOUT)
        engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            # A change of a table that is in use waits for its users, and all who come later wait behind it.
            await connection.execute(text(f"SET LOCAL lock_timeout = {int(self._timeout * 1000)}"))
            return await connection.run_sync(work)


class PostgreSQLDatabase:
    """One pool of at most `pool` connections. `timeout` (seconds) bounds every wait."""

    def __init__(self, address: Address, *, timeout: float, pool: int) -> None:
        self._writers = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(address.connect, timeout, statement_timeout=timeout),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=timeout,
        )
        self._readers = self._writers.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self._writers.sync_engine, "checkin", _remember)
        event.listen(self._writers.sync_engine, "checkout", _refuse_ended)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        with _named_failures():
            async with self._readers.connect() as connection, _cut_if_hung(connection):
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        with _named_failures():
            async with self._writers.connect() as connection, _cut_if_hung(connection):
                transaction = await connection.begin()
                try:
                    yield connection
                    await transaction.commit()
                except TimeoutError:
                    raise
                except BaseException:
                    await transaction.rollback()
                    raise

    async def close(self) -> None:
        await self._writers.dispose()


class PostgreSQLProbe:
    """Asks on a connection of its own, which it keeps: the pool's may all be in use."""

    def __init__(self, address: Address, *, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._connection: asyncpg.Connection | None = None

    async def ask(self) -> str | None:
        try:
            return await self._asked()
        except Exception as error:
            await self.close()
            return _told(error)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _asked(self) -> str | None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._address.connect(self._timeout, statement_timeout=self._timeout)
        query = f"SELECT version_num, pg_is_in_recovery() FROM {VERSION_TABLE}"  # noqa: S608  a constant
        row = await self._connection.fetchrow(query)
        if row is None:
            return "it has no schema"
        return "it takes no writes: it is a standby" if row[1] else None


def _remember(_connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _refuse_ended(connection: Any, record: Any, _proxy: Any) -> None:
    # The end of a connection is mostly seen without asking: the pool then opens another one.
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the database ended this connection")
    if time.monotonic() - record.info.get("used", float("inf")) < IDLE:
        return
    try:
        connection.run_async(lambda driver: driver.execute("SELECT 1"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The others were lost with it, most likely: all are opened anew.
        connection.driver_connection.terminate()
        raise InvalidatePoolError from error


@asynccontextmanager
async def _cut_if_hung(connection: AsyncConnection) -> AsyncIterator[None]:
    try:
        yield
    except TimeoutError:
        raw = await connection.get_raw_connection()
        if raw.driver_connection is not None:
            raw.driver_connection.terminate()
        await connection.invalidate()
        raise


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        driver = error.driver_exception
        state = getattr(driver, "sqlstate", None) or ""
        if state == DISK_FULL:
            raise full() from error
        # A value that the driver cannot send is a ValueError and has no state.
        if state.startswith(OWN_ERRORS) or isinstance(driver, ValueError):
            raise
        raise unavailable() from error
    except (SQLAlchemyError, OSError) as error:
        raise unavailable() from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
