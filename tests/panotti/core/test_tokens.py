"""Access tokens live briefly and prove one thing; a refresh token is good once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey

from panotti.identity.digests import fresh
from panotti.secrets import generate
from tests.panotti.core import conftest
from tests.panotti.core.client import Client
from tests.panotti.core.conftest import SECRETS, Serve

RECORDINGS = "/api/recordings"
SIGNING_KEY = ECKey.import_key(SECRETS.token_key)
PRIVATE_KEY = cast("ec.EllipticCurvePrivateKey", load_pem_private_key(SECRETS.token_key, None))


def issue(server: Client, headers: dict[str, str]) -> dict[str, Any]:
    reply = server.post("/auth/token", headers=headers)
    assert reply.status_code == 200, reply.text
    document: dict[str, Any] = reply.json()
    return document


def status(server: Client, token: str) -> int:
    return server.get(RECORDINGS, headers={"Authorization": f"Bearer {token}"}).status_code


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    return json.loads(base64.urlsafe_b64decode(header)), json.loads(base64.urlsafe_b64decode(claims))


def encode(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], key: ECKey = SIGNING_KEY) -> str:
    return jwt.encode(header, claims, key, ["ES256"], default_type=None)


def test_a_token_stands_for_its_key(server: Client, admin: dict[str, str]) -> None:
    pair = issue(server, admin)

    who = server.get("/auth/session", headers={"Authorization": f"bearer {pair['access_token']}"}).json()

    assert (pair["token_type"], pair["expires_in"]) == ("Bearer", 300)
    assert (who["principal"], who["role"], who["credential"]) == ("bootstrap", "admin", "token")


def test_a_token_cannot_get_tokens(server: Client, admin: dict[str, str]) -> None:
    token = issue(server, admin)["access_token"]

    assert server.post("/auth/token", headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_the_same_claims_signed_again_pass(server: Client, admin: dict[str, str]) -> None:
    header, claims = parts(issue(server, admin)["access_token"])

    assert status(server, signed(header, claims)) == 200


@pytest.mark.parametrize(
    "change",
    [
        {"exp": time.time() - 1},
        {"exp": None},
        {"exp": "9999999999"},
        {"exp": True},
        {"nbf": time.time() + 600},
        {"nbf": None},
        {"aud": "another"},
        {"aud": ["panotti-api", "another"]},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"fam": "unknown"},
        {"fam": 7},
        {"fam": None},
        {"sub": "somebody"},
        {"sub": None},
    ],
    ids=lambda change: f"{next(iter(change))}={type(next(iter(change.values()))).__name__}",
)
def test_a_token_with_a_wrong_claim_is_refused(
    server: Client, admin: dict[str, str], change: dict[str, Any]
) -> None:
    header, claims = parts(issue(server, admin)["access_token"])
    changed = {name: value for name, value in {**claims, **change}.items() if value is not None}

    assert status(server, signed(header, changed)) == 401


@pytest.mark.parametrize(
    "change",
    [
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1"},
        {"typ": "JWT"},
        {"jku": "https://evil.example/keys"},
        {"jwk": {"kty": "EC"}},
        {"crit": ["x"], "x": 1},
    ],
    ids=str,
)
def test_a_token_with_another_header_is_refused(
    server: Client, admin: dict[str, str], change: dict[str, Any]
) -> None:
    header, claims = parts(issue(server, admin)["access_token"])
    body = f"{encode({**header, **change})}.{encode(claims)}".encode()
    r, s = decode_dss_signature(PRIVATE_KEY.sign(body, ec.ECDSA(SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32) + s.to_bytes(32)).rstrip(b"=").decode()

    assert status(server, f"{body.decode()}.{signature}") == 401


def test_a_token_without_a_signature_of_ours_is_refused(server: Client, admin: dict[str, str]) -> None:
    token = issue(server, admin)["access_token"]
    header, claims = parts(token)
    start, _, signature = token.rpartition(".")
    public = PRIVATE_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    confused = f"{encode({**header, 'alg': 'HS256'})}.{encode(claims)}"
    mac = hmac.digest(public, confused.encode(), hashlib.sha256)
    forged = {
        "none": f"{encode({**header, 'alg': 'none'})}.{encode(claims)}.",
        "None": f"{encode({**header, 'alg': 'None'})}.{encode(claims)}.x",
        "confusion": f"{confused}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        "other key": signed(header, claims, ECKey.import_key(generate("token_key"))),
        "other claims": f"{encode(header)}.{encode({**claims, 'role': 'admin', 'x': 1})}.{signature}",
        "truncated": token[:-4],
        "no signature": start,
        "too long": f"{start}.{'A' * 4000}",
        "empty": "",
        "not text": "é" * 5,
    }
    for name, text in forged.items():
        headers = [(b"Authorization", b"Bearer " + text.encode("latin-1"))]
        assert server.get(RECORDINGS, headers=headers).status_code == 401, name


def test_an_expired_token_is_refused(serve: Serve) -> None:
    server = serve(access_token_ttl=0.001)

    assert status(server, issue(server, {"X-API-Key": SECRETS.api_key})["access_token"]) == 401


def test_a_refresh_rotates(server: Client, admin: dict[str, str]) -> None:
    first = issue(server, admin)

    second = server.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()

    assert second["refresh_token"] != first["refresh_token"]
    assert status(server, second["access_token"]) == 200


def test_a_refresh_token_that_was_never_issued_is_refused(server: Client) -> None:
    reply = server.post("/auth/refresh", json={"refresh_token": fresh("pnr")})

    assert reply.status_code == 401


def test_using_a_refresh_token_again_ends_the_family(server: Client, admin: dict[str, str]) -> None:
    first = issue(server, admin)
    bystander = issue(server, admin)
    old = {"refresh_token": first["refresh_token"]}
    second = server.post("/auth/refresh", json=old).json()

    assert server.post("/auth/refresh", json=old).status_code == 401

    for pair in (first, second):
        assert status(server, pair["access_token"]) == 401
        reply = server.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        assert reply.status_code == 401
    assert status(server, bystander["access_token"]) == 200


def test_of_racing_refreshes_one_wins_and_the_family_ends(server: Client, admin: dict[str, str]) -> None:
    body = {"json": {"refresh_token": issue(server, admin)["refresh_token"]}}

    replies = server.together([("POST", "/auth/refresh", body)] * 4)

    assert sorted(reply.status_code for reply in replies) == [200, 401, 401, 401]
    (winner,) = [reply for reply in replies if reply.status_code == 200]
    assert status(server, winner.json()["access_token"]) == 401


def test_revoking_ends_the_access_token_too(server: Client, admin: dict[str, str]) -> None:
    pair = issue(server, admin)

    reply = server.post("/auth/revoke", json={"refresh_token": pair["refresh_token"]})

    assert reply.status_code == 204
    assert status(server, pair["access_token"]) == 401
    assert server.post("/auth/revoke", json={"refresh_token": "unknown"}).status_code == 204


def test_revoking_a_key_ends_its_tokens(server: Client, admin: dict[str, str]) -> None:
    body = {"principal": "robot", "tenant": "acme", "role": "reader"}
    made = server.post("/admin/api-keys", headers=admin, json=body).json()
    pair = issue(server, {"X-API-Key": made["key"]})

    server.delete(f"/admin/api-keys/{made['id']}", headers=admin)

    assert status(server, pair["access_token"]) == 401
    reply = server.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert reply.status_code == 401


def test_a_refresh_token_expires(serve: Serve) -> None:
    server = serve(refresh_token_ttl=0.001)
    pair = issue(server, {"X-API-Key": SECRETS.api_key})

    reply = server.post("/auth/refresh", json={"refresh_token": pair["refresh_token"]})

    assert reply.status_code == 401


def test_another_first_key_ends_what_the_one_before_issued(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = serve()
    pair = issue(before, {"X-API-Key": SECRETS.api_key})
    assert status(before, pair["access_token"]) == 200
    monkeypatch.setattr(conftest, "SECRETS", replace(SECRETS, api_key=fresh("pnk")))
    after = serve()

    assert status(after, pair["access_token"]) == 401
    refresh = {"json": {"refresh_token": pair["refresh_token"]}}
    assert after.post("/auth/refresh", **refresh).status_code == 401
    assert after.post("/auth/token", headers={"X-API-Key": SECRETS.api_key}).status_code == 401
    kept = issue(after, {"X-API-Key": conftest.SECRETS.api_key})
    assert status(after, kept["access_token"]) == 200
    renewed = after.post("/auth/refresh", json={"refresh_token": kept["refresh_token"]})
    assert status(after, renewed.json()["access_token"]) == 200
