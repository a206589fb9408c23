"""API keys: what is refused, what a revocation ends, and who manages whose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.panotti.core.client import Client
from tests.panotti.core.conftest import SECRETS, Serve

KeyOf = Callable[..., dict[str, str]]
RECORDINGS = "/api/recordings"
KEY = SECRETS.api_key

REFUSED: dict[str, list[tuple[str, str]]] = {
    "missing": [],
    "empty": [("X-API-Key", "")],
    "wrong": [("X-API-Key", "pnk_" + "x" * 43)],
    "other case": [("X-API-Key", KEY.swapcase())],
    "truncated": [("X-API-Key", KEY[:-1])],
    "padded": [("X-API-Key", KEY + "=")],
    "quoted": [("X-API-Key", f'"{KEY}"')],
    "given twice": [("X-API-Key", KEY), ("X-API-Key", KEY)],
    "with another credential": [("X-API-Key", KEY), ("Authorization", "Bearer x")],
    "as a bearer token": [("Authorization", f"Bearer {KEY}")],
    "by basic authentication": [("Authorization", f"Basic {KEY}")],
    "as a cookie": [("Cookie", f"__Host-panotti_session={KEY}")],
    "not text": [("X-API-Key", "\xff\xfe")],
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
def test_a_key_that_does_not_hold_is_refused_with_one_answer(
    server: Client, headers: list[tuple[str, str]]
) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]

    reply = server.get(RECORDINGS, headers=encoded)

    assert reply.status_code == 401
    assert "www-authenticate" in reply.headers
    body = reply.json()
    assert body.pop("request_id")
    assert body == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "A valid credential is required.",
    }


@pytest.mark.parametrize("name", ["api_key", "X-API-Key", "key", "access_token"])
def test_a_key_in_the_address_is_no_key(server: Client, name: str) -> None:
    assert server.get(RECORDINGS, params={name: KEY}).status_code == 401


def test_a_revoked_key_stops_at_the_next_request_on_every_server(serve: Serve) -> None:
    one, other = serve(), serve()
    admin = {"X-API-Key": KEY}
    made = one.post("/admin/api-keys", headers=admin, json=_new("writer")).json()
    headers = {"X-API-Key": made["key"]}
    assert other.get(RECORDINGS, headers=headers).status_code == 200

    assert one.delete(f"/admin/api-keys/{made['id']}", headers=admin).status_code == 204

    assert other.get(RECORDINGS, headers=headers).status_code == 401
    assert one.delete(f"/admin/api-keys/{made['id']}", headers=admin).status_code == 404


def test_both_keys_hold_during_a_rotation(server: Client, admin: dict[str, str]) -> None:
    old = server.post("/admin/api-keys", headers=admin, json=_new("writer")).json()

    new = server.post(f"/admin/api-keys/{old['id']}/rotate", headers=admin).json()

    for made in (old, new):
        who = server.get("/auth/session", headers={"X-API-Key": made["key"]}).json()
        assert (who["principal"], who["role"]) == ("robot", "writer")
    server.delete(f"/admin/api-keys/{old['id']}", headers=admin)
    assert server.get(RECORDINGS, headers={"X-API-Key": old["key"]}).status_code == 401
    assert server.get(RECORDINGS, headers={"X-API-Key": new["key"]}).status_code == 200


def test_keys_are_listed_without_themselves_and_stored_as_digests(
    server: Client, admin: dict[str, str], tmp_path: Path
) -> None:
    made = server.post("/admin/api-keys", headers=admin, json=_new("reader")).json()

    listing = server.get("/admin/api-keys", headers=admin)

    (listed,) = listing.json()["api_keys"]
    assert listed["id"] == made["id"]
    assert made["key"] not in listing.text
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert made["key"].encode() not in stored
    assert KEY.encode() not in stored


def test_an_administrator_of_a_tenant_manages_that_tenant_only(
    server: Client, admin: dict[str, str], key_of: KeyOf
) -> None:
    theirs = server.post("/admin/api-keys", headers=admin, json=_new("reader", tenant="other")).json()
    headers = key_of("admin", tenant="acme")

    assert server.post("/admin/api-keys", headers=headers, json=_new("admin", "other")).status_code == 403
    assert server.post("/admin/users", headers=headers, json=_user("other")).status_code == 403
    assert server.delete(f"/admin/api-keys/{theirs['id']}", headers=headers).status_code == 404
    assert server.post(f"/admin/api-keys/{theirs['id']}/rotate", headers=headers).status_code == 404
    tenants = {key["tenant"] for key in server.get("/admin/api-keys", headers=headers).json()["api_keys"]}
    assert tenants == {"acme"}
    assert server.post("/admin/users", headers=headers, json=_user("acme")).status_code == 201
    assert len(server.get("/admin/users", headers=headers).json()["users"]) == 1


def test_a_user_name_is_given_once(server: Client, admin: dict[str, str]) -> None:
    assert server.post("/admin/users", headers=admin, json=_user("acme")).status_code == 201
    assert server.post("/admin/users", headers=admin, json=_user("acme")).status_code == 409


def test_another_tenants_recording_does_not_exist(server: Client, key_of: KeyOf) -> None:
    mine, theirs = key_of("writer", "mine"), key_of("writer", "theirs")
    server.post("/api/recording-started", headers=mine, json={"recordingId": "r1"})

    for path in ("/api/recordings/r1", "/api/recordings/r1/events"):
        assert server.get(path, headers=theirs).status_code == 404
    change = server.put("/api/recordings/r1/state", headers=theirs, json={"state": "failed"})
    assert change.status_code == 404
    assert server.get(RECORDINGS, headers=theirs).json()["recordings"] == []
    server.post("/api/recording-started", headers=theirs, json={"recordingId": "r1"})
    assert len(server.get("/api/recordings/r1/events", headers=mine).json()["events"]) == 1


def _new(role: str, tenant: str = "acme") -> dict[str, str]:
    return {"principal": "robot", "tenant": tenant, "role": role}


def _user(tenant: str) -> dict[str, str]:
    return {"username": "ada", "password": "correct horse battery", "role": "reader", "tenant": tenant}
