"""Where the state is, files of this machine or servers that the replicas share: chosen here alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from panotti import redis_server
from panotti.identity.activity import Activity, RedisActivity, StoredActivity
from panotti.ratelimit.counters import Counters, RedisCounters
from panotti.ratelimit.storage import SQLiteStorage
from panotti.secrets import Secrets
from panotti.settings import Settings
from panotti.storage import postgresql
from panotti.storage.database import Database, Store
from panotti.storage.postgresql import PostgreSQLStore
from panotti.storage.sqlite import SQLiteStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The data, the request counters, and the last use of sessions on a worker's database."""

    store: Store
    counters: Counters
    activity: Callable[[Database], Activity]

    def document(self) -> dict[str, str]:
        """What is used, for a reader."""
        embedded = isinstance(self.counters, SQLiteStorage)
        return {"database": self.store.kind, "counters": "embedded" if embedded else "redis"}


def choose(settings: Settings, secrets: Secrets) -> Backends:
    """The backends of these settings. Nothing is opened yet."""
    store = choose_store(settings, secrets.database_password)
    if settings.redis_url is None:
        return Backends(store=store, counters=SQLiteStorage(settings.counters_dir), activity=StoredActivity)
    address = redis_server.Address(
        url=settings.redis_url,
        password=secrets.redis_password,
        timeout=settings.dependency_timeout,
        pool=settings.redis_pool_size,
    )
    counters = RedisCounters(address)
    return Backends(store=store, counters=counters, activity=lambda _: RedisActivity(counters.client))


def choose_store(settings: Settings, password: str) -> Store:
    """The database alone, for what does not serve."""
    if settings.database_url is None:
        return SQLiteStore(settings.database_file, timeout=settings.dependency_timeout)
    parts = urlsplit(settings.database_url)
    address = postgresql.Address(
        url=settings.database_url,
        host=parts.hostname or "",
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        database=parts.path.strip("/"),
        password=password,
    )
    return PostgreSQLStore(address, timeout=settings.dependency_timeout, pool=settings.database_pool_size)
