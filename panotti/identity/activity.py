"""When a session was last used. That it exists at all is the database's to say.

A session that was ended is gone from the database, so neither a lost nor a restored Redis lets it in again;
and what Redis has lost counts as unused, so it lets nobody in either.
"""

from __future__ import annotations

from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from panotti.problems import Problem
from panotti.storage import users
from panotti.storage.database import RETRY_AFTER, Database

# A session is marked as used at most this often: every request would otherwise be a write.
SEEN_GRAIN_SECONDS = 30


class Activity(Protocol):
    """The last use of each session, which `digest` names. `idle`: seconds that it may lie unused."""

    async def begin(self, digest: bytes, idle: float) -> None:
        """The session was opened now. Raises Problem 503 when that cannot be kept."""
        ...

    async def use(self, digest: bytes, *, last: float, now: float, idle: float) -> bool:
        """Whether the session had not become idle; then it is used now.

        `last` is the last use that the database knows. Raises Problem 503 when it cannot be told.
        """
        ...


class StoredActivity:
    """Keeps the last use beside the session, in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, digest: bytes, idle: float) -> None:
        """The row was made with the session."""

    async def use(self, digest: bytes, *, last: float, now: float, idle: float) -> bool:
        if last <= now - idle:
            return False
        if now - last > min(SEEN_GRAIN_SECONDS, idle / 10):
            async with self._database.writing() as connection:
                await users.touch_session(connection, digest, now)
        return True


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
