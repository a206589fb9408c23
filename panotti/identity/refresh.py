"""Refresh tokens: each is good once, and using one twice ends everything that came from the same issue."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import RowMapping

from panotti.identity.bootstrap import Bootstrap
from panotti.identity.digests import Digests, fresh, fresh_id
from panotti.identity.principal import Principal, Role
from panotti.identity.tokens import AccessTokens
from panotti.storage import callers, families
from panotti.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a client gets. `expires_in` (seconds) is the access token's."""

    access_token: str
    refresh_token: str
    expires_in: float


class RefreshTokens:
    """Issues, rotates and revokes. `ttl` (seconds) is how long a refresh token may lie unused."""

    def __init__(
        self, database: Database, digests: Digests, tokens: AccessTokens, bootstrap: Bootstrap, *, ttl: float
    ) -> None:
        self._database = database
        self._digests = digests
        self._tokens = tokens
        self._bootstrap = bootstrap
        self._ttl = ttl

    async def issue(self, caller: Principal) -> TokenPair | None:
        """The first pair of a new family; None if the caller's key was revoked meanwhile."""
        family, refresh = fresh_id(), fresh("pnr")
        async with self._database.writing() as connection:
            if not await callers.hold(connection, caller):
                return None
            await families.open_family(connection, family, caller)
            await families.add_token(connection, self._digest(refresh), family, self._ttl)
        return self._pair(caller, family, refresh)

    async def rotate(self, presented: str) -> TokenPair | None:
        """The next pair; None for a token that is unknown, expired, revoked, or used before."""
        refresh = fresh("pnr")
        digest = self._digest(presented)
        async with self._database.writing() as connection:
            token = await families.find_token(connection, digest)
            if token is None:
                return None
            if token["used_at"] is not None:
                await families.revoke(connection, token["family_id"])
                return None
            family = await families.find(connection, token["family_id"])
            if family is None or token["expires_at"] <= time.time():
                return None
            caller = _principal(family)
            if self._bootstrap.replaced(caller):
                return None
            await families.spend_token(connection, digest)
            await families.add_token(connection, self._digest(refresh), family["id"], self._ttl)
        return self._pair(caller, family["id"], refresh)

    async def revoke(self, presented: str) -> None:
        """Ends the token's family. An unknown token is no error (RFC 7009, 2.2)."""
        async with self._database.writing() as connection:
            token = await families.find_token(connection, self._digest(presented))
            if token is not None:
                await families.revoke(connection, token["family_id"])

    def _digest(self, token: str) -> bytes:
        return self._digests.of(token.encode())

    def _pair(self, caller: Principal, family: str, refresh: str) -> TokenPair:
        return TokenPair(
            access_token=self._tokens.issue(caller, family),
            refresh_token=refresh,
            expires_in=self._tokens.ttl,
        )


def _principal(family: RowMapping) -> Principal:
    return Principal(
        id=family["principal"],
        tenant=family["tenant"],
        role=Role.parse(family["role"]),
        key_id=family["key_id"],
    )
