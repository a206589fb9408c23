from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from harness.outcome import NotVerified
from harness.principals import Tokens
from harness.probes.forgery import forger, public_jwk

CLAIMS = {"iss": "me", "sub": "you", "exp": 2_000_000_000}


def issued(key, alg="ES256"):
    token = jwt.encode({"alg": alg, "kid": "one"}, CLAIMS, key, [alg])
    return Tokens(access=token, refresh="")


def pem(key):
    return key.as_pem(private=True).decode()


def read(token, key, alg="ES256"):
    return jwt.decode(token, key, [alg])


@pytest.fixture
def key():
    return ECKey.generate_key("P-256")


@pytest.mark.parametrize(
    ("make", "alg"),
    [
        (lambda: ECKey.generate_key("P-256"), "ES256"),
        (lambda: RSAKey.generate_key(2048), "RS256"),
        (lambda: OKPKey.generate_key("Ed25519"), "Ed25519"),
    ],
)
def test_the_key_is_found_among_the_secrets_and_signs_anew(make, alg):
    key = make()
    made = forger(issued(key, alg), ["a password", pem(make()), pem(key)])
    token = read(made.signed(claims={"aud": "them", "iss": None}), key, alg)

    assert token.claims == {"sub": "you", "exp": 2_000_000_000, "aud": "them"}
    with pytest.raises(BadSignatureError):
        read(made.signed(key=made.stranger()), key, alg)


def test_header_fields_are_changed_under_a_good_signature(key):
    made = forger(issued(key), [pem(key)])
    content, _, signature = made.signed(header={"kid": "../x", "jwk": public_jwk(key)}).rpartition(".")

    assert json.loads(base64.urlsafe_b64decode(content.split(".")[0] + "=="))["kid"] == "../x"
    assert len(signature) == 86


def test_an_hmac_stands_in_the_place_of_the_signature(key):
    made = forger(issued(key), [pem(key)])
    content, _, signature = made.macced(b"secret").rpartition(".")
    mac = hmac.digest(b"secret", content.encode(), hashlib.sha256)

    assert base64.urlsafe_b64decode(signature + "=") == mac
    assert any(form.startswith(b"-----BEGIN PUBLIC KEY") for form in made.public_spellings())
    assert not any(b"PRIVATE" in form for form in made.public_spellings())


def test_altered_claims_keep_the_old_signature(key):
    made = forger(issued(key), [pem(key)])
    with pytest.raises(BadSignatureError):
        read(made.altered(sub="me"), key)
    assert made.altered(sub="me").rpartition(".")[2] == made.parts[2]
    assert made.unsigned("none").endswith(".")


def test_a_token_that_cannot_be_forged_is_not_verified(key):
    with pytest.raises(NotVerified, match="no signed JWT"):
        forger(Tokens(access="opaque", refresh=""), [pem(key)])
    with pytest.raises(NotVerified, match="not known"):
        forger(issued(key), [pem(ECKey.generate_key("P-256")), "-----BEGIN PRIVATE KEY----- no", "text"])
    shared = jwt.encode({"alg": "HS256"}, CLAIMS, key_of_many_bits(), ["HS256"])
    with pytest.raises(NotVerified, match="no forgery"):
        forger(Tokens(access=shared, refresh=""), [])


def key_of_many_bits():
    from joserfc.jwk import OctKey

    return OctKey.generate_key(256)
