"""What has expired leaves the database, in small transactions while the server serves.

Nobody waits for it: neither a start nor a request is delayed by what has piled up.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Float, Table, bindparam, delete, exists, select, tuple_

from panotti.identity.digests import fresh_id
from panotti.storage.database import Database
from panotti.storage.idempotency import KEPT_SECONDS
from panotti.storage.models import idempotency_keys, refresh_tokens, sessions, token_families

INTERVAL: Final = 5.0  # seconds between two looks
BATCH: Final = 500  # rows a transaction looks at
PAUSE: Final = 0.1  # seconds for others to write in, while there is more to remove

_BEFORE: Final[ColumnElement[float]] = bindparam("before", type_=Float())
_OLDEST: Final = (
    select(*idempotency_keys.primary_key)
    .where(idempotency_keys.c.created_at < _BEFORE)
    .order_by(idempotency_keys.c.created_at)
    .limit(BATCH)
    # Workers do not wait for one another. SQLite ignores it, and has one writer at a time anyway.
    .with_for_update(skip_locked=True)
)
_FORGET: Final = delete(idempotency_keys).where(tuple_(*idempotency_keys.primary_key).in_(_OLDEST))


@dataclass(slots=True)
class Sweep:
    """Goes through a table in the order of its key, which is random, so that no index on a time is needed.

    Each worker begins somewhere else, and what one of them does not reach before it ends, another does.
    """

    table: Table
    key: Column[Any]
    expired: ColumnElement[bool]
    after: Any
    start: Any = field(kw_only=True)

    async def step(self, database: Database, before: float) -> int:
        """Removes what expired `before` (seconds since the epoch) of the next rows; how many that were."""
        following = select(self.key).where(self.key > self.after).order_by(self.key)
        async with database.writing() as connection:
            last = (await connection.execute(following.offset(BATCH - 1).limit(1))).scalar_one_or_none()
            looked_at = [self.key > self.after] + ([] if last is None else [self.key <= last])
            gone = await connection.execute(
                delete(self.table).where(*looked_at, self.expired), {"before": before}
            )
        self.after = self.start if last is None else last
        return gone.rowcount


class Cleanup:
    """Removes expired idempotency keys, sessions, refresh tokens, and token families without any.

    `session_ttl` and `access_ttl` are seconds. A spent refresh token is kept until it would have expired: its
    reuse ends the family. A family is kept for as long as its last access token can live.
    """

    def __init__(self, database: Database, *, session_ttl: float, access_ttl: float) -> None:
        self._database = database
        left = exists().where(refresh_tokens.c.family_id == token_families.c.id)
        digest, family = secrets.token_bytes(32), fresh_id()
        self._sweeps = [
            (session_ttl, _sweep(sessions, sessions.c.created_at < _BEFORE, digest, start=b"")),
            (access_ttl, _sweep(refresh_tokens, refresh_tokens.c.expires_at < _BEFORE, digest, start=b"")),
            (
                access_ttl,
                _sweep(token_families, (token_families.c.created_at < _BEFORE) & ~left, family, start=""),
            ),
        ]

    async def run(self) -> None:
        """One look at each table, and more where there is something to remove."""
        while await self._forget():
            await asyncio.sleep(PAUSE)
        for ttl, sweep in self._sweeps:
            while await sweep.step(self._database, time.time() - ttl):
                await asyncio.sleep(PAUSE)

    async def _forget(self) -> int:
        async with self._database.writing() as connection:
            before = {"before": time.time() - KEPT_SECONDS}
            return (await connection.execute(_FORGET, before)).rowcount


def _sweep(table: Table, expired: ColumnElement[bool], after: Any, *, start: Any) -> Sweep:
    (key,) = table.primary_key
    return Sweep(table, key, expired, after, start=start)
