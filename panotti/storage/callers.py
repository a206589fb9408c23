"""Whether what a caller came with is still in force when something is made from it.

A request is let in before its transaction begins, and its credential may be revoked between the two.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.identity.principal import Principal
from panotti.storage.models import api_keys, sessions, token_families, users


async def hold(connection: AsyncConnection, caller: Principal) -> bool:
    """Whether the caller's credential is in force; if so it stays so until this transaction ends."""
    if caller.session is not None:
        return await _hold(connection, sessions, sessions.c.digest == caller.session)
    if caller.family is not None:
        families = token_families.c
        return await _hold(
            connection, token_families, families.id == caller.family, families.revoked_at.is_(None)
        )
    if caller.is_bootstrap:
        return True
    return await _hold(connection, api_keys, api_keys.c.id == caller.key_id, api_keys.c.revoked_at.is_(None))


async def hold_password(connection: AsyncConnection, user_id: str, password_hash: str) -> bool:
    """Whether this is still the user's password; if so it stays so until this transaction ends."""
    return await _hold(connection, users, users.c.id == user_id, users.c.password_hash == password_hash)


async def _hold(connection: AsyncConnection, table: Table, *conditions: ColumnElement[bool]) -> bool:
    # PostgreSQL: a revocation waits for the locked row, and then sees what was made of it; one that came
    # first is waited for. SQLite has one writer at a time, and ignores the lock.
    query = select(*table.primary_key).where(*conditions).with_for_update(read=True)
    return (await connection.execute(query)).first() is not None
