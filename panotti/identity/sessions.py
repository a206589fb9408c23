"""Browser sessions: an unguessable id in a cookie, its digest in the database, a CSRF token bound to it."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable
from dataclasses import dataclass

from panotti.identity.activity import Activity
from panotti.identity.digests import Digests, fresh
from panotti.identity.principal import Principal, Role
from panotti.storage import callers, users
from panotti.storage.database import Database

# The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis, 4.1.3.2).
COOKIE = "__Host-panotti_session"
ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new session: what goes into the cookie and what goes into the answer."""

    cookie: str
    csrf_token: str


class Sessions:
    """Opens, finds and ends sessions. `idle_ttl` and `absolute_ttl` are seconds."""

    def __init__(
        self,
        database: Database,
        digests: Digests,
        activity: Activity,
        *,
        idle_ttl: float,
        absolute_ttl: float,
    ) -> None:
        self._database = database
        self._digests = digests
        self._activity = activity
        self._idle = idle_ttl
        self._absolute = absolute_ttl

    async def open(self, user_id: str, password_hash: str, presented: Iterable[bytes]) -> Opened | None:
        """A session with a new id; those presented at the login end (session fixation).

        None if the password that was verified is not the user's any more.
        """
        session = fresh("pns")
        digest = self._digests.of(session.encode())
        async with self._database.writing() as connection:
            if not await callers.hold_password(connection, user_id, password_hash):
                return None
            for old in presented:
                await users.end_session(connection, self._digests.of(old))
            await users.open_session(connection, digest, user_id)
        await self._activity.begin(digest, self._idle)
        cookie = f"{COOKIE}={session}; {ATTRIBUTES}; Max-Age={int(self._absolute)}"
        return Opened(cookie=cookie, csrf_token=self._digests.csrf(digest))

    async def find(self, session: bytes) -> Principal | None:
        """Whose session this is, while it is neither idle nor old; looking counts as being seen."""
        digest = self._digests.of(session)
        moment = time.time()
        async with self._database.reading() as connection:
            row = await users.find_session(connection, digest, created_after=moment - self._absolute)
        if row is None:
            return None
        last = row["last_seen_at"]
        if not await self._activity.use(digest, last=last, now=moment, idle=self._idle):
            return None
        return Principal(
            id=row["username"],
            tenant=row["tenant"],
            role=Role.parse(row["role"]),
            credential="session",
            session=digest,
        )

    async def end(self, caller: Principal) -> None:
        """Ends the session that the caller came with."""
        if caller.session is not None:
            async with self._database.writing() as connection:
                await users.end_session(connection, caller.session)

    async def end_all(self, caller: Principal) -> None:
        """Ends every session of the caller, wherever it was opened."""
        async with self._database.writing() as connection:
            await users.end_sessions_of(connection, caller.id)

    def csrf_token(self, caller: Principal) -> str | None:
        """The caller's CSRF token; None when it came without a session."""
        return None if caller.session is None else self._digests.csrf(caller.session)

    def csrf_fits(self, caller: Principal, presented: bytes | None) -> bool:
        """Whether the token presented is the one of the caller's session."""
        expected = self.csrf_token(caller)
        if expected is None or presented is None:
            return False
        return hmac.compare_digest(expected.encode(), presented)


EXPIRED_COOKIE = f"{COOKIE}=; {ATTRIBUTES}; Max-Age=0"
