"""The last use of each session in Redis, where replicas share it."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.exceptions import RedisError

from panotti.problems import Problem
from panotti.storage.database import RETRY_AFTER


class RedisActivity:
    """A key for each session, which Redis forgets when it has lain unused: a use is no write to a disk."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def begin(self, digest: bytes, idle: float) -> None:
        try:
            await self._client.set(_key(digest), "", px=_milliseconds(idle))
        except RedisError as error:
            raise _unavailable() from error

    async def use(self, digest: bytes, *, last: float, now: float, idle: float) -> bool:
        del last, now  # Redis has both
        try:
            return bool(await self._client.pexpire(_key(digest), _milliseconds(idle)))
        except RedisError as error:
            raise _unavailable() from error


def _key(digest: bytes) -> str:
    return f"panotti:session:{digest.hex()}"


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _unavailable() -> Problem:
    return Problem(503, "Service Unavailable", "The sessions are not available; try again.", RETRY_AFTER)
