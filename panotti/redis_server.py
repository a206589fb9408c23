"""The Redis server that the replicas share: its address, its connections, and whether it takes writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisError
from redis.exceptions import ConnectionError as EndedError

from panotti.errors import StartError, UnreachableError

PROBE_KEY = "panotti:probe"
PROBE_TTL = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the server is. `url` is the setting, which holds no password."""

    url: str
    password: str = field(repr=False)
    timeout: float
    pool: int

    @property
    def place(self) -> str:
        return f"redis_url: {self.url}"

    def client(self, *, connections: int | None = None) -> Redis:
        """A client that opens its connections when they are needed; every wait is bounded by `timeout`."""
        parts = urlsplit(self.url)
        # A connection that the server has ended is opened anew, once; what hangs is not asked again.
        retry = Retry(NoBackoff(), 1, supported_errors=(EndedError,))
        options: dict[str, Any] = {"username": unquote(parts.username)} if parts.username else {}
        pool = BlockingConnectionPool(
            host=parts.hostname,
            port=parts.port or 6379,
            db=int(parts.path.strip("/") or 0),
            password=self.password,
            max_connections=connections or self.pool,
            timeout=self.timeout,
            socket_timeout=self.timeout,
            socket_connect_timeout=self.timeout,
            retry=retry,
            client_name="panotti",
            **options,
        )
        return Redis(connection_pool=pool)


class RedisProbe:
    """Asks for a write on a connection of its own: a server that is full or a copy still answers a ping."""

    def __init__(self, address: Address) -> None:
        self._client = address.client(connections=1)

    async def write(self) -> None:
        """Raises RedisError when the server takes no write."""
        await self._client.set(PROBE_KEY, "", ex=PROBE_TTL)

    async def ask(self) -> str | None:
        try:
            await self.write()
        except RedisError as error:
            return f"{type(error).__name__}: {error}"
        return None

    async def close(self) -> None:
        await self._client.aclose(close_connection_pool=True)


async def reach(address: Address) -> None:
    """Tries once. Raises UnreachableError when later may be better, StartError when it will not be."""
    probe = RedisProbe(address)
    try:
        await probe.write()
    except (AuthenticationError, AuthorizationError) as error:
        raise StartError([f"{address.place}: {error}; look at redis_password"]) from error
    except RedisError as error:
        raise UnreachableError(f"{address.place}: {type(error).__name__}: {error}") from error
    finally:
        await probe.close()
