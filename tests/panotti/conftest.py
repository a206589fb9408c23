"""The servers that replicas share, started when the first test asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

import asyncpg
import pytest
import redis

from panotti.storage.migrate import migrate
from panotti.storage.postgresql import Address, PostgreSQLStore
from tests.panotti.servers import USER, PostgreSQL, Redis

TEMPLATE = "schema"
NUMBERS = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A database of this test alone, and an empty Redis; `settings` for a server that uses both."""

    postgresql: PostgreSQL
    redis: Redis
    database: str

    @property
    def settings(self) -> dict[str, str]:
        return {"database_url": self.postgresql.url(self.database), "redis_url": self.redis.url}

    @property
    def address(self) -> Address:
        return address_in(self.postgresql, self.database)

    def age_sessions(self, seconds: int) -> None:
        """Every session was last used so much earlier."""
        with redis.Redis(port=self.redis.port, password=self.redis.password) as client:
            for key in client.scan_iter("panotti:session:*"):
                client.pexpire(key, max(0, client.pttl(key) - seconds * 1000))

    def sql(self, statement: str) -> list[asyncpg.Record]:
        """Runs a statement as the administrator of the cluster."""
        return _sql(self.address, statement)


def address_in(server: PostgreSQL, database: str) -> Address:
    return Address(
        url=server.url(database),
        host="127.0.0.1",
        port=server.port,
        user=USER,
        database=database,
        password=server.password,
    )


def _sql(address: Address, statement: str) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await address.connect(10, statement_timeout=10)
        try:
            return await connection.fetch(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    try:
        own = address_in(server, "postgres")
        _sql(own, f"CREATE DATABASE {TEMPLATE}")
        migrate(PostgreSQLStore(replace(own, database=TEMPLATE), timeout=10, pool=1))
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    server = Redis()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def empty_postgresql(postgresql: PostgreSQL) -> str:
    """The name of a new database without a schema."""
    name = f"empty_{next(NUMBERS)}"
    _sql(address_in(postgresql, "postgres"), f"CREATE DATABASE {name}")
    return name


@pytest.fixture
def shared(postgresql: PostgreSQL, redis_server: Redis) -> Iterator[Shared]:
    """What the replicas of one deployment share, empty."""
    name = f"test_{next(NUMBERS)}"
    own = address_in(postgresql, "postgres")
    _sql(own, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    with redis.Redis(port=redis_server.port, password=redis_server.password) as client:
        client.flushall()
    yield Shared(postgresql=postgresql, redis=redis_server, database=name)
    _sql(own, f"DROP DATABASE {name} WITH (FORCE)")
