"""When a session was last used. That it exists at all is the database's to say.

A session that was ended is gone from the database, so neither a lost nor a restored Redis lets it in again;
and what Redis has lost counts as unused, so it lets nobody in either.
"""

from __future__ import annotations

from typing import Protocol

from panotti.storage import users
from panotti.storage.database import Database

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
