"""Statements on users and their browser sessions."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.storage.models import sessions, users

_FIND_SESSION = (
    select(
        sessions.c.user_id,
        sessions.c.last_seen_at,
        sessions.c.created_at,
        users.c.username,
        users.c.tenant,
        users.c.role,
    )
    .join_from(sessions, users)
    .where(
        sessions.c.digest == bindparam("digest"),
        sessions.c.created_at > bindparam("created_after"),
    )
)


async def add(
    connection: AsyncConnection, *, user_id: str, username: str, password_hash: str, role: str, tenant: str
) -> None:
    """Raises IntegrityError when the name is taken."""
    await connection.execute(
        insert(users),
        {
            "id": user_id,
            "username": username,
            "password_hash": password_hash,
            "role": role,
            "tenant": tenant,
            "created_at": time.time(),
        },
    )


async def every(connection: AsyncConnection) -> Sequence[RowMapping]:
    query = select(users.c.id, users.c.username, users.c.role, users.c.tenant, users.c.created_at)
    return (await connection.execute(query.order_by(users.c.username))).mappings().all()


async def by_name(connection: AsyncConnection, username: str) -> RowMapping | None:
    query = select(users.c.id, users.c.password_hash).where(users.c.username == username)
    return (await connection.execute(query)).mappings().one_or_none()


async def open_session(connection: AsyncConnection, digest: bytes, user_id: str) -> None:
    moment = time.time()
    await connection.execute(
        insert(sessions),
        {"digest": digest, "user_id": user_id, "created_at": moment, "last_seen_at": moment},
    )


async def find_session(
    connection: AsyncConnection, digest: bytes, *, created_after: float
) -> RowMapping | None:
    """The session and its user, if it was made after this moment (seconds since the epoch)."""
    result = await connection.execute(_FIND_SESSION, {"digest": digest, "created_after": created_after})
    return result.mappings().one_or_none()


async def touch_session(connection: AsyncConnection, digest: bytes, moment: float) -> None:
    await connection.execute(update(sessions).where(sessions.c.digest == digest).values(last_seen_at=moment))


async def end_session(connection: AsyncConnection, digest: bytes) -> None:
    await connection.execute(delete(sessions).where(sessions.c.digest == digest))


async def end_sessions_of(connection: AsyncConnection, username: str) -> None:
    """Ends every session of the user, wherever it was opened."""
    owner = select(users.c.id).where(users.c.username == username).scalar_subquery()
    await connection.execute(delete(sessions).where(sessions.c.user_id == owner))
