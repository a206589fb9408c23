"""Statements on API keys. Only digests are kept."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.storage.models import api_keys, token_families

_FIND = select(api_keys.c.id, api_keys.c.principal, api_keys.c.tenant, api_keys.c.role).where(
    api_keys.c.digest == bindparam("digest"), api_keys.c.revoked_at.is_(None)
)
_LIST = select(
    api_keys.c.id,
    api_keys.c.principal,
    api_keys.c.tenant,
    api_keys.c.role,
    api_keys.c.created_at,
    api_keys.c.rotated_from,
    api_keys.c.revoked_at,
).order_by(api_keys.c.created_at, api_keys.c.id)


async def find(connection: AsyncConnection, digest: bytes) -> RowMapping | None:
    """The key in force with this digest."""
    return (await connection.execute(_FIND, {"digest": digest})).mappings().one_or_none()


async def every(connection: AsyncConnection) -> Sequence[RowMapping]:
    return (await connection.execute(_LIST)).mappings().all()


async def add(
    connection: AsyncConnection,
    *,
    key_id: str,
    digest: bytes,
    principal: str,
    tenant: str,
    role: str,
    rotated_from: str | None = None,
) -> None:
    await connection.execute(
        insert(api_keys),
        {
            "id": key_id,
            "digest": digest,
            "principal": principal,
            "tenant": tenant,
            "role": role,
            "created_at": time.time(),
            "rotated_from": rotated_from,
        },
    )


async def in_force(connection: AsyncConnection, key_id: str) -> RowMapping | None:
    """The key called `key_id` unless it is revoked."""
    result = await connection.execute(_LIST.where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)))
    return result.mappings().one_or_none()


async def hold(connection: AsyncConnection, key_id: str) -> RowMapping | None:
    """As `in_force`; a revocation waits until this transaction ends."""
    query = _LIST.where(api_keys.c.id == key_id).where(api_keys.c.revoked_at.is_(None))
    return (await connection.execute(query.with_for_update(read=True))).mappings().one_or_none()


async def revoke(connection: AsyncConnection, key_id: str) -> bool:
    """Ends the key and every token that rests on it; False if there is none in force."""
    moment = time.time()
    result = await connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=moment)
    )
    await connection.execute(
        update(token_families)
        .where(token_families.c.key_id == key_id, token_families.c.revoked_at.is_(None))
        .values(revoked_at=moment)
    )
    return result.rowcount == 1
