"""From what a request presents to who it is. Nothing is cached: a revocation holds at the next request."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import assert_never

from sqlalchemy import RowMapping

from panotti.identity.bootstrap import Bootstrap
from panotti.identity.credentials import ApiKey, Bearer, Credential, Header, SessionCookie, presented
from panotti.identity.digests import Digests
from panotti.identity.principal import Principal, Role
from panotti.identity.sessions import Sessions
from panotti.identity.tokens import AccessTokens, TokenRefusedError
from panotti.storage import families, keys
from panotti.storage.database import Database


class Authenticator:
    """Finds the principal of a request."""

    def __init__(
        self,
        database: Database,
        digests: Digests,
        tokens: AccessTokens,
        sessions: Sessions,
        bootstrap: Bootstrap,
    ) -> None:
        self._database = database
        self._digests = digests
        self._tokens = tokens
        self._sessions = sessions
        self._bootstrap = bootstrap

    async def authenticate(self, headers: Iterable[Header]) -> Principal | None:
        """Who the headers prove; None if nobody. Raises Problem 503 when the database is out of reach."""
        credential: Credential | None = presented(headers)
        match credential:
            case None:
                return None
            case ApiKey(value=value):
                return await self._by_key(value)
            case Bearer(value=value):
                return await self._by_token(value)
            case SessionCookie(value=value):
                return await self._sessions.find(value)
            case _:
                assert_never(credential)

    async def _by_key(self, value: bytes) -> Principal | None:
        # Digests of the value are compared, and looked up: how long it takes says nothing about a stored key.
        digest = self._digests.of(value)
        if hmac.compare_digest(digest, self._bootstrap.digest):
            return self._bootstrap.principal
        async with self._database.reading() as connection:
            row = await keys.find(connection, digest)
        return None if row is None else _principal(row, key_id=row["id"], credential="key")

    async def _by_token(self, value: bytes) -> Principal | None:
        try:
            claims = self._tokens.verify(value.decode("ascii"))
        except (TokenRefusedError, UnicodeDecodeError):
            return None
        async with self._database.reading() as connection:
            row = await families.find(connection, claims.family)
        if row is None or row["principal"] != claims.subject:
            return None
        principal = _principal(row, key_id=row["key_id"], credential="token", family=row["id"])
        return None if self._bootstrap.replaced(principal) else principal


def _principal(row: RowMapping, *, key_id: str, credential: str, family: str | None = None) -> Principal:
    return Principal(
        id=row["principal"],
        tenant=row["tenant"],
        role=Role.parse(row["role"]),
        key_id=key_id,
        credential=credential,
        family=family,
    )
