"""One effect for a request that is sent again (the Idempotency-Key header)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.identity.principal import Principal
from panotti.problems import Problem
from panotti.storage.models import idempotency_keys as table

# Clients retry within minutes; a day leaves room for a client that slept over night.
KEPT_SECONDS = 86_400

_FIND = select(table.c.fingerprint, table.c.answer).where(
    table.c.tenant == bindparam("tenant"),
    table.c.principal == bindparam("principal"),
    table.c.key == bindparam("key"),
)
_CLAIM = {
    "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
}
_ANSWER = update(table).where(
    table.c.tenant == bindparam("of_tenant"),
    table.c.principal == bindparam("of_principal"),
    table.c.key == bindparam("of_key"),
)


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """What makes two requests the same: their method, path and exact body."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()


async def once(
    connection: AsyncConnection,
    caller: Principal,
    key: str | None,
    mark: bytes,
    effect: Callable[[], Awaitable[bytes]],
) -> bytes:
    """The answer of `effect`, which happens in this transaction, and only the first time `key` is seen.

    Raises Problem 409 when the key came before with another request.
    """
    if key is None:
        return await effect()
    place = {"tenant": caller.tenant, "principal": caller.id, "key": key}
    # Claimed first: of two at once the second waits here, and then finds the answer of the first.
    claim = {**place, "fingerprint": mark, "answer": b"", "created_at": time.time()}
    if (await connection.execute(_CLAIM[connection.dialect.name], claim)).rowcount:
        answer = await effect()
        of = {f"of_{name}": value for name, value in place.items()}
        await connection.execute(_ANSWER, {**of, "answer": answer})
        return answer
    row = (await connection.execute(_FIND, place)).one()
    if row.fingerprint != mark:
        raise Problem(409, "Conflict", "This idempotency key was used with another request.")
    return bytes(row.answer)
