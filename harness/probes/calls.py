"""A valid request for every route, and callers of every role with every kind of credential.

Whoever is let in then gets a 2xx answer, so that "let in" is seen and not only supposed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, cast

from harness.contract import Contract
from harness.credentials import Credentials
from harness.principals import TENANT, ApiKey, Role, User
from harness.probes.http import Options
from harness.records import Json

Kind = Literal["key", "token", "session"]
ANONYMOUS: Final = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as `site.http.request` takes it."""

    method: str
    path: str
    options: Options


class Calls:
    """Makes requests and callers at one target; all objects are of one tenant."""

    def __init__(self, contract: Contract, credentials: Credentials, *, tenant: str = TENANT) -> None:
        self._contract = contract
        self._credentials = credentials
        self._tenant = tenant
        self._keys: dict[str, ApiKey] = {}
        self._users: dict[str, User] = {}
        self._callers: dict[tuple[str, Kind], Options] = {}
        self._bodies = self._known_bodies()

    def make(self, route: str, role: str, kind: Kind) -> Call:
        """Return a valid request to a route such as "DELETE /admin/api-keys/{key_id}".

        role: of the caller, "anonymous" without a credential. kind: of the credential.
        """
        method, _, path = route.partition(" ")
        if "{recording_id}" in path:
            path = path.replace("{recording_id}", self._recording)
        if "{key_id}" in path:
            key = self._credentials.key(tenant=self._tenant) if method == "DELETE" else self._rotated
            path = path.replace("{key_id}", key.id)
        options = self.caller(route, role, kind)
        if route in self._bodies:
            options = {**options, "json": self._bodies[route]()}
        return Call(method=method, path=f"{self._contract.http.base_path}{path}", options=options)

    def caller(self, route: str, role: str, kind: Kind) -> Options:
        """Return what presents a caller: always the same one, but for routes that end its session."""
        if role == ANONYMOUS:
            return {}
        if kind == "session" and self.ends_session(route):
            return self._present(role, kind)
        known = self._callers.get((role, kind))
        if known is None:
            known = self._callers[role, kind] = self._present(role, kind)
        return known

    def _present(self, role: str, kind: Kind) -> Options:
        match kind:
            case "key":
                return {"key": self._key(role)}
            case "token":
                return {"token": self._credentials.tokens(self._key(role))}
            case "session":
                return {"session": self._credentials.login(self._user(role))}

    def _key(self, role: str) -> ApiKey:
        if role not in self._keys:
            self._keys[role] = self._credentials.key(cast("Role", role), self._tenant)
        return self._keys[role]

    def _user(self, role: str) -> User:
        if role not in self._users:
            self._users[role] = self._credentials.user(cast("Role", role), self._tenant)
        return self._users[role]

    @cached_property
    def _recording(self) -> str:
        return self._credentials.recording(self._key("writer"))

    @cached_property
    def _rotated(self) -> ApiKey:
        return self._credentials.key(tenant=self._tenant)

    def ends_session(self, route: str) -> bool:
        """Whether a call of this route leaves the caller without its session."""
        return route in self._ends_sessions

    @cached_property
    def _ends_sessions(self) -> frozenset[str]:
        sessions = self._contract.capabilities.sessions
        paths = (sessions.login, sessions.logout, sessions.logout_all) if sessions else ()
        return frozenset(f"POST {path}" for path in paths)

    def _known_bodies(self) -> dict[str, Callable[[], Json]]:
        has = self._contract.capabilities
        bodies: dict[str, Callable[[], Json]] = {}
        if has.recordings:
            bodies[f"POST {has.recordings.started}"] = lambda: {"recordingId": _name("rec")}
            bodies[f"POST {has.recordings.ended}"] = _ended
            bodies[f"PUT {has.recordings.state}"] = lambda: {"state": "failed"}
        if has.tokens:
            bodies[f"POST {has.tokens.refresh}"] = self._refresh_token
            bodies[f"POST {has.tokens.revoke}"] = self._refresh_token
        if has.sessions:
            bodies[f"POST {has.sessions.login}"] = self._login
        if has.administration:
            bodies[f"POST {has.administration.api_keys}"] = lambda: _new_key(self._tenant)
            bodies[f"POST {has.administration.users}"] = lambda: _new_user(self._tenant)
        return bodies

    def _refresh_token(self) -> Json:
        return {"refresh_token": self._credentials.tokens(self._key("writer")).refresh}

    def _login(self) -> Json:
        user = self._user("writer")
        return {"username": user.username, "password": user.password}


def _name(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(8)}"


def _ended() -> Json:
    paths = {"systemAudioPath": "/audio/system.wav", "microphoneAudioPath": "/audio/microphone.wav"}
    return {"recordingId": _name("rec"), "metadata": {}, **paths}


def _new_key(tenant: str) -> Json:
    return {"principal": _name("check"), "tenant": tenant, "role": "reader"}


def _new_user(tenant: str) -> Json:
    return {
        "username": _name("user"),
        "password": secrets.token_urlsafe(24),
        "role": "reader",
        "tenant": tenant,
    }
