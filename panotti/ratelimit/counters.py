"""The request counters of all workers, and of all replicas where a Redis server is given."""

from __future__ import annotations

from typing import Protocol

from limits.aio.storage.redis import RedisStorage

from panotti.health import Probe
from panotti.redis_server import Address, RedisProbe, reach


class Counters(Protocol):
    """A moving window for each key: the part of the `limits` library's storages that the server uses.

    Raises limits.errors.StorageError when the counters are out of reach.
    """

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether the hit is one of at most `limit` in any `expiry` seconds; a refused one does not count."""
        ...

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest hit that counts was made (seconds since the epoch), and how many count."""
        ...

    def probe(self, timeout: float) -> Probe:
        """What readiness asks."""
        ...

    async def prepare(self) -> None:
        """Makes what is missing, once in each worker."""
        ...

    async def reach(self) -> None:
        """Tries once. Raises UnreachableError when later may be better, StartError when it will not be."""
        ...

    async def aclose(self) -> None:
        """Ends the connections of this worker."""
        ...


class RedisCounters(RedisStorage):
    """Counts in Redis, where each hit is judged and counted in one step for all replicas.

    `client` may be used for other keys too.
    """

    STORAGE_SCHEME = None  # type: ignore[assignment]  # not to be found by an address

    def __init__(self, address: Address) -> None:
        self._address = address
        self.client = address.client()
        super().__init__(
            address.url,
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="panotti:limit",
            connection_pool=self.client.connection_pool,  # type: ignore[arg-type]
        )

    def probe(self, timeout: float) -> Probe:
        del timeout  # the address has it
        return RedisProbe(self._address)

    async def prepare(self) -> None:
        """Redis makes a key when it is needed."""

    async def reach(self) -> None:
        await reach(self._address)

    async def aclose(self) -> None:
        await self.client.aclose(close_connection_pool=True)
