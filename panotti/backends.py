"""Where the state is, files of this machine or servers that the replicas share: chosen here alone.

Each kind is imported only where it is chosen: an unused driver costs time at every start, and memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from panotti.identity.activity import Activity, StoredActivity
from panotti.ratelimit.counters import Counters
from panotti.secrets import Secrets
from panotti.settings import Settings
from panotti.storage.database import Database, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The data, the request counters, and the last use of sessions on a worker's database."""

    store: Store
    counters: Counters
    activity: Callable[[Database], Activity]
    counted_in: Literal["embedded", "redis"]

    def document(self) -> dict[str, str]:
        """What is used, for a reader."""
        return {"database": self.store.kind, "counters": self.counted_in}


def choose(settings: Settings, secrets: Secrets) -> Backends:
    """The backends of these settings. Nothing is opened yet."""
    store = choose_store(settings, secrets.database_password)
    if settings.redis_url is None:
        return _embedded(settings, store)
    return _shared(settings, store, settings.redis_url, secrets.redis_password)


def choose_store(settings: Settings, password: str) -> Store:
    """The database alone, for what does not serve."""
    if settings.database_url is None:
        from panotti.storage.sqlite import SQLiteStore

        return SQLiteStore(settings.database_file, timeout=settings.dependency_timeout)
    from panotti.storage import postgresql

    parts = urlsplit(settings.database_url)
    address = postgresql.Address(
        url=settings.database_url,
        host=parts.hostname or "",
        port=parts.port or 5432,
        user=unquote(parts.username or ""),
        database=parts.path.strip("/"),
        password=password,
    )
    return postgresql.PostgreSQLStore(
        address, timeout=settings.dependency_timeout, pool=settings.database_pool_size
    )


def _embedded(settings: Settings, store: Store) -> Backends:
    from panotti.ratelimit.storage import SQLiteStorage

    counters = SQLiteStorage(settings.counters_dir)
    return Backends(store=store, counters=counters, activity=StoredActivity, counted_in="embedded")


def _shared(settings: Settings, store: Store, url: str, password: str) -> Backends:
    from panotti.identity.redis_activity import RedisActivity
    from panotti.ratelimit.redis import RedisCounters
    from panotti.redis_server import Address

    counters = RedisCounters(
        Address(
            url=url, password=password, timeout=settings.dependency_timeout, pool=settings.redis_pool_size
        )
    )
    activity = RedisActivity(counters.client)
    return Backends(store=store, counters=counters, activity=lambda _: activity, counted_in="redis")
