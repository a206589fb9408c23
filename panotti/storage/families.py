"""Statements on token families: the refresh tokens that descend from one issue, revoked together."""

from __future__ import annotations

import time

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.identity.principal import Principal
from panotti.storage.models import refresh_tokens, token_families

_FIND = select(
    token_families.c.id,
    token_families.c.key_id,
    token_families.c.principal,
    token_families.c.tenant,
    token_families.c.role,
).where(token_families.c.id == bindparam("family"), token_families.c.revoked_at.is_(None))


async def open_family(connection: AsyncConnection, family_id: str, caller: Principal) -> None:
    """Starts a family that rests on the caller's key."""
    await connection.execute(
        insert(token_families),
        {
            "id": family_id,
            "key_id": caller.key_id,
            "principal": caller.id,
            "tenant": caller.tenant,
            "role": caller.role.label,
            "created_at": time.time(),
        },
    )


async def find(connection: AsyncConnection, family_id: str) -> RowMapping | None:
    """The family unless it is revoked."""
    return (await connection.execute(_FIND, {"family": family_id})).mappings().one_or_none()


async def revoke(connection: AsyncConnection, family_id: str) -> None:
    await connection.execute(
        update(token_families)
        .where(token_families.c.id == family_id, token_families.c.revoked_at.is_(None))
        .values(revoked_at=time.time())
    )


async def add_token(connection: AsyncConnection, digest: bytes, family_id: str, ttl: float) -> None:
    moment = time.time()
    await connection.execute(
        insert(refresh_tokens),
        {"digest": digest, "family_id": family_id, "created_at": moment, "expires_at": moment + ttl},
    )


async def find_token(connection: AsyncConnection, digest: bytes) -> RowMapping | None:
    result = await connection.execute(
        select(refresh_tokens.c.family_id, refresh_tokens.c.expires_at, refresh_tokens.c.used_at)
        .where(refresh_tokens.c.digest == digest)
        # Of two that spend it at once the second waits, and then sees it spent. SQLite has one writer anyway.
        .with_for_update()
    )
    return result.mappings().one_or_none()


async def spend_token(connection: AsyncConnection, digest: bytes) -> None:
    await connection.execute(
        update(refresh_tokens).where(refresh_tokens.c.digest == digest).values(used_at=time.time())
    )
