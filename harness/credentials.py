"""Fresh principals through the target's own administration, so that checks do not share quotas or
sessions."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import Final

from harness.contract import Contract
from harness.evidence import preparing
from harness.outcome import NotVerified
from harness.principals import TENANT, ApiKey, BrowserSession, Role, Tokens, User
from harness.probes.http import HttpProbe
from harness.probes.reply import Reply
from harness.redaction import VAULT

# An issuing key makes this many others before its successor takes over, so that its own quota is never
# reached.
_PER_ISSUER: Final = 20
# One key more than was asked for does no harm, and checks of bad releases need theirs.
_TRIES: Final = 5


@dataclass(slots=True)
class _Issuer:
    key: ApiKey
    left: int = _PER_ISSUER


class Credentials:
    """Makes keys, users, tokens and sessions at one deployment. Safe to use from several threads.

    Where the target refuses to make one, the check is NotVerified: its stimulus never happened.
    """

    def __init__(self, http: HttpProbe, contract: Contract, api_key: str) -> None:
        self._http = http
        self._contract = contract
        self._first = ApiKey(value=api_key)
        self._issuers: dict[str, _Issuer] = {}
        self._lock = threading.Lock()
        VAULT.learn(api_key, "$API_KEY")
        VAULT.learn_header(contract.http.auth_header)

    def under(self, contract: Contract) -> Credentials:
        """Return those of the same deployment and key under another contract."""
        return Credentials(self._http, contract, self._first.value)

    def key(self, role: Role = "writer", tenant: str = TENANT) -> ApiKey:
        """Return a fresh key of `role` in `tenant`.

        A target without administration has one key that may do everything: it stands for a writer or an
        admin of the
        first tenant. Raises Absent for whoever it cannot stand for.
        """
        if self._contract.capabilities.administration is None:
            if role == "reader" or tenant != TENANT:
                self._contract.capability("administration")
            return self._first
        with self._lock:
            return self._make(self._issuer(tenant), role, tenant)

    def revoke(self, key: ApiKey) -> None:
        """Revoke a key, by an administrator of its tenant."""
        path = self._contract.path("administration.key").replace("{key_id}", key.id)
        with self._lock:
            reply = self._http.delete(path, key=self._issuer(key.tenant))
        if not reply.ok:
            raise NotVerified(
                f"the key could not be revoked: the target answered {reply.status or reply.error}"
            )

    def rotate(self, key: ApiKey) -> ApiKey:
        """Return the successor of a key, made by an administrator of its tenant."""
        path = self._contract.path("administration.rotate").replace("{key_id}", key.id)
        with self._lock:
            reply = self._http.post(path, key=self._issuer(key.tenant))
        _made(reply, "successor of a key")
        return key_in(reply, role=key.role, tenant=key.tenant, principal=key.principal)

    def user(self, role: Role = "writer", tenant: str = TENANT) -> User:
        """Return a fresh user who can log in."""
        path = self._contract.path("administration.users")
        user = User(
            username=f"user-{secrets.token_hex(6)}",
            password=secrets.token_urlsafe(24),
            role=role,
            tenant=tenant,
        )
        VAULT.learn(user.password, "$PASSWORD")
        with self._lock:
            issuer = self._issuer(tenant)
            body = {"username": user.username, "password": user.password, "role": role, "tenant": tenant}
            with preparing():
                reply = self._http.post(path, key=issuer, json={**body})
        _made(reply, f"user of role {role}")
        return user

    def tokens(self, key: ApiKey | None = None) -> Tokens:
        """Return the tokens that `key` (a fresh writer's) is issued."""
        path = self._contract.path("tokens.issue")
        with preparing():
            reply = self._http.post(path, key=key or self.key())
        _made(reply, "tokens")
        return tokens_in(reply)

    def login(self, user: User | None = None) -> BrowserSession:
        """Log `user` (a fresh writer) in; return the session."""
        sessions = self._contract.capability("sessions")
        who = user or self.user()
        with preparing():
            reply = self._http.post(
                self._contract.path("sessions.login"),
                json={"username": who.username, "password": who.password},
            )
        _made(reply, "session")
        session = session_in(reply, sessions.cookie, csrf_header=sessions.csrf_header or "X-CSRF-Token")
        if session is None:
            raise NotVerified(f"the login set no cookie {sessions.cookie}")
        return session

    def recording(self, key: ApiKey | None = None, *, recording_id: str = "") -> str:
        """Begin a recording with `key` (a fresh writer's); return its id."""
        path = self._contract.path("recordings.started")
        wanted = recording_id or f"rec-{secrets.token_hex(8)}"
        with preparing():
            reply = self._http.post(path, key=key or self.key(), json={"recordingId": wanted})
        _made(reply, "recording")
        return reply.string("recording_id") or wanted

    def _issuer(self, tenant: str) -> ApiKey:
        """An administrator's key of `tenant` with quota left: an administrator may manage no tenant but
        its own."""
        issuer = self._issuers.get(tenant)
        if issuer is None or issuer.left <= 0:
            maker = issuer.key if issuer else self._first
            issuer = self._issuers[tenant] = _Issuer(self._make(maker, "admin", tenant))
        issuer.left -= 1
        return issuer.key

    def _make(self, maker: ApiKey, role: Role, tenant: str) -> ApiKey:
        principal = f"check-{secrets.token_hex(6)}"
        path = self._contract.path("administration.api_keys")
        with preparing():
            for _ in range(_TRIES):
                reply = self._http.post(
                    path, key=maker, json={"principal": principal, "tenant": tenant, "role": role}
                )
                if reply.status < 500:
                    break
        _made(reply, f"key of role {role}")
        return key_in(reply, role=role, tenant=tenant, principal=principal)


def key_in(reply: Reply, *, role: Role, tenant: str = TENANT, principal: str = "") -> ApiKey:
    """Return the key that an answer of the administration shows; from now on evidence hides it."""
    value = reply.string("key")
    if not value:
        raise NotVerified("the answer shows no key")
    VAULT.learn(value, f"${role.upper()}_KEY")
    return ApiKey(value=value, id=reply.string("id"), role=role, tenant=tenant, principal=principal)


def tokens_in(reply: Reply) -> Tokens:
    """Return the tokens of an answer that issues or refreshes them; from now on evidence hides them."""
    access, refresh = reply.string("access_token"), reply.string("refresh_token")
    if not access:
        raise NotVerified("the answer shows no access token")
    VAULT.learn(access, "$ACCESS_TOKEN")
    VAULT.learn(refresh, "$REFRESH_TOKEN")
    expires_in = reply.field("expires_in")
    return Tokens(
        access=access, refresh=refresh, expires_in=expires_in if isinstance(expires_in, int | float) else 0.0
    )


def session_in(reply: Reply, cookie: str, *, csrf_header: str = "X-CSRF-Token") -> BrowserSession | None:
    """Return the session that a login's answer begins, None when it sets no such cookie."""
    for header in reply.headers.get_list("set-cookie"):
        name, _, value = header.partition(";")[0].strip().partition("=")
        if name == cookie and value:
            csrf = reply.string("csrf_token")
            VAULT.learn(value, "$SESSION")
            VAULT.learn(csrf, "$CSRF_TOKEN")
            return BrowserSession(
                name=name, value=value, csrf=csrf, csrf_header=csrf_header, set_cookie=header
            )
    return None


def _made(reply: Reply, what: str) -> None:
    if not reply.ok:
        raise NotVerified(f"no {what} could be made: the target answered {reply.status or reply.error}")
