"""A revocation also ends, or prevents, what is made of the credential at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from anyio import CapacityLimiter

from panotti.identity.authenticator import Authenticator
from panotti.identity.credentials import Header
from panotti.identity.digests import fresh_id
from panotti.identity.passwords import Passwords
from panotti.identity.principal import Principal
from panotti.storage import families, keys, users
from tests.panotti.core.client import Client

KeyOf = Callable[..., dict[str, str]]
PASSWORD = " ".join(("correct", "horse", "battery"))
END = {"X-End": "1"}
NEW_KEY = {"principal": "robot", "tenant": "acme", "role": "reader"}
NEW_USER = {"username": "bob", "password": PASSWORD, "tenant": "acme", "role": "reader"}


@pytest.fixture(autouse=True)
def _ended_once_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that asks for it loses its credential between its admission and its transaction."""
    admit = Authenticator.authenticate

    async def authenticate(self: Authenticator, headers: Iterable[Header]) -> Principal | None:
        given = list(headers)
        caller = await admit(self, given)
        if caller is not None and (b"x-end", b"1") in given:
            async with self._database.writing() as connection:
                if caller.session is not None:
                    await users.end_session(connection, caller.session)
                elif caller.family is not None:
                    await families.revoke(connection, caller.family)
                else:
                    assert await keys.revoke(connection, str(caller.key_id))
        return caller

    monkeypatch.setattr(Authenticator, "authenticate", authenticate)


def _token_of(server: Client, key: dict[str, str]) -> dict[str, str]:
    pair = server.post("/auth/token", headers=key).json()
    return {"Authorization": f"Bearer {pair['access_token']}"}


def _session_of(server: Client, key: dict[str, str]) -> dict[str, str]:
    user = {**NEW_USER, "username": f"admin-{fresh_id()}", "role": "admin"}
    assert server.post("/admin/users", headers=key, json=user).status_code == 201
    reply = server.post("/auth/login", json={"username": user["username"], "password": PASSWORD})
    cookie = reply.headers["set-cookie"].partition(";")[0]
    return {"Cookie": cookie, "X-CSRF-Token": reply.json()["csrf_token"]}


@pytest.mark.parametrize("made_of", [None, _token_of, _session_of], ids=["key", "token", "session"])
def test_nothing_is_made_of_a_credential_that_ended_meanwhile(
    server: Client, admin: dict[str, str], key_of: KeyOf, made_of: Callable[..., dict[str, str]] | None
) -> None:
    other = server.post("/admin/api-keys", headers=admin, json=NEW_KEY).json()["id"]
    makes: list[tuple[str, dict[str, Any]]] = [
        ("/admin/api-keys", {"json": NEW_KEY}),
        (f"/admin/api-keys/{other}/rotate", {}),
        ("/admin/users", {"json": NEW_USER}),
        *([("/auth/token", {})] if made_of is None else []),
    ]
    for number, (path, body) in enumerate(makes):
        key = key_of("admin", principal=f"admin-{number}")
        credential = key if made_of is None else made_of(server, key)

        reply = server.post(path, headers={**credential, **END}, **body)

        assert reply.status_code == 401, f"{path}: {reply.text}"
    principals = [key["principal"] for key in _listed(server, admin)]
    assert principals.count("robot") == 1
    users_there = server.get("/admin/users", headers=admin).json()["users"]
    assert "bob" not in [user["username"] for user in users_there]


def test_a_key_that_ended_meanwhile_has_no_successor(server: Client, admin: dict[str, str]) -> None:
    made = server.post("/admin/api-keys", headers=admin, json={**NEW_KEY, "role": "admin"}).json()

    path, headers = f"/admin/api-keys/{made['id']}/rotate", {"X-API-Key": made["key"], **END}
    assert server.post(path, headers=headers).status_code == 401

    assert [key["rotated_from"] for key in _listed(server, admin)] == [None]


def test_tokens_issued_while_their_key_is_revoked_do_not_outlive_it(
    server: Client, admin: dict[str, str]
) -> None:
    for _ in range(6):
        made = server.post("/admin/api-keys", headers=admin, json=NEW_KEY).json()
        issue: tuple[str, str, dict[str, Any]]
        issue = ("POST", "/auth/token", {"headers": {"X-API-Key": made["key"]}})
        delete = ("DELETE", f"/admin/api-keys/{made['id']}", {"headers": admin})

        before = server.request(issue[0], issue[1], **issue[2])
        replies = server.together([*[issue] * 6, delete, *[issue] * 6])

        assert (before.status_code, replies[6].status_code) == (200, 204)
        for pair in (reply.json() for reply in [before, *replies] if reply.status_code == 200):
            refresh = server.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
            assert refresh.status_code == 401


def test_a_login_with_a_password_that_was_changed_meanwhile_is_refused(
    server: Client, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.post("/admin/users", headers=admin, json=NEW_USER).status_code == 201
    body = {"username": "bob", "password": PASSWORD}
    assert server.post("/auth/login", json=body).status_code == 200
    hashed = Passwords(CapacityLimiter(1))
    by_name = users.by_name

    async def before_the_change(connection: Any, username: str) -> Any:
        row = await by_name(connection, username)
        return row and {**row, "password_hash": await hashed.hash(PASSWORD[::-1])}

    monkeypatch.setattr(users, "by_name", before_the_change)
    old = {"username": "bob", "password": PASSWORD[::-1]}

    assert server.post("/auth/login", json=old).status_code == 401


def _listed(server: Client, admin: dict[str, str]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = server.get("/admin/api-keys", headers=admin).json()["api_keys"]
    return [key for key in listed if key["principal"] == "robot"]
