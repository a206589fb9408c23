"""Keys and users. An administrator of the operator's tenant manages all tenants, any other only its own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import RowMapping
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.identity.bootstrap import OPERATOR
from panotti.identity.digests import fresh, fresh_id
from panotti.identity.principal import Principal
from panotti.middleware.authentication import unauthenticated
from panotti.problems import Problem
from panotti.routes.answers import answer, time_text
from panotti.rules import ADMIN, rule
from panotti.schemas import PLAIN, CreatedUser, IssuedKey, KeyList, NewApiKey, NewUser, UserList
from panotti.services import use
from panotti.storage import callers, keys, users
from panotti.strictness import StrictRoute

router = APIRouter(route_class=StrictRoute, prefix="/admin")
KeyId = Annotated[str, Path(max_length=32, pattern=PLAIN)]


@router.get("/api-keys", response_model=KeyList)
@rule(ADMIN)
async def list_keys(request: Request) -> Response:
    """Every key the caller manages, revoked ones too; never the key itself."""
    services, caller = use(request)
    async with services.database.reading() as connection:
        rows = await keys.every(connection)
    return answer({"api_keys": [_key(row) for row in rows if _manages(caller, row["tenant"])]})


@router.post("/api-keys", status_code=201, response_model=IssuedKey)
@rule(ADMIN)
async def create_key(request: Request, body: NewApiKey) -> Response:
    """A new key; this answer is the only place where it can be read."""
    services, caller = use(request)
    _insist(caller, body.tenant)
    key_id, key = fresh_id(), fresh("pnk")
    async with services.database.writing() as connection:
        await _hold(connection, caller)
        await keys.add(
            connection,
            key_id=key_id,
            digest=services.digests.of(key.encode()),
            principal=body.principal,
            tenant=body.tenant,
            role=body.role,
        )
    return answer({"id": key_id, "key": key}, 201)


@router.post("/api-keys/{key_id}/rotate", status_code=201, response_model=IssuedKey)
@rule(ADMIN)
async def rotate_key(request: Request, key_id: KeyId) -> Response:
    """A second key for the same principal; the first one stays valid until it is revoked."""
    services, caller = use(request)
    new_id, key = fresh_id(), fresh("pnk")
    async with services.database.writing() as connection:
        await _hold(connection, caller)
        old = _managed(caller, await keys.hold(connection, key_id))
        await keys.add(
            connection,
            key_id=new_id,
            digest=services.digests.of(key.encode()),
            principal=old["principal"],
            tenant=old["tenant"],
            role=old["role"],
            rotated_from=key_id,
        )
    return answer({"id": new_id, "key": key}, 201)


@router.delete("/api-keys/{key_id}", status_code=204, response_model=None)
@rule(ADMIN)
async def revoke_key(request: Request, key_id: KeyId) -> Response:
    """Ends the key and the tokens that rest on it, at once."""
    services, caller = use(request)
    async with services.database.writing() as connection:
        _managed(caller, await keys.in_force(connection, key_id))
        await keys.revoke(connection, key_id)
    return Response(status_code=204)


@router.get("/users", response_model=UserList)
@rule(ADMIN)
async def list_users(request: Request) -> Response:
    """Every user the caller manages."""
    services, caller = use(request)
    async with services.database.reading() as connection:
        rows = await users.every(connection)
    return answer({"users": [_user(row) for row in rows if _manages(caller, row["tenant"])]})


@router.post("/users", status_code=201, response_model=CreatedUser)
@rule(ADMIN)
async def create_user(request: Request, body: NewUser) -> Response:
    """A user who can log in with a browser."""
    services, caller = use(request)
    _insist(caller, body.tenant)
    user_id = fresh_id()
    password_hash = await services.passwords.hash(body.password)
    try:
        async with services.database.writing() as connection:
            await _hold(connection, caller)
            await users.add(
                connection,
                user_id=user_id,
                username=body.username,
                password_hash=password_hash,
                role=body.role,
                tenant=body.tenant,
            )
    except IntegrityError:
        raise Problem(409, "Conflict", "The user name is taken.") from None
    return answer({"id": user_id}, 201)


def _manages(caller: Principal, tenant: str) -> bool:
    return caller.tenant in (OPERATOR, tenant)


def _insist(caller: Principal, tenant: str) -> None:
    if not _manages(caller, tenant):
        raise Problem(403, "Forbidden", "You manage your own tenant only.")


async def _hold(connection: AsyncConnection, caller: Principal) -> None:
    if not await callers.hold(connection, caller):
        raise unauthenticated()


def _managed(caller: Principal, found: RowMapping | None) -> RowMapping:
    if found is None or not _manages(caller, found["tenant"]):
        raise Problem(404, "Not Found", "There is no such key in force.")
    return found


def _key(row: RowMapping) -> dict[str, Any]:
    times = {name: time_text(row[name]) for name in ("created_at", "revoked_at")}
    return {**row, **times}


def _user(row: RowMapping) -> dict[str, Any]:
    return {**row, "created_at": time_text(row["created_at"])}
