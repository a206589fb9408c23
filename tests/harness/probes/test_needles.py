from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from harness.probes.needles import named_in, needles, spellings

SECRET = "s3cret/value+with=signs"
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "content",
    [
        SECRET.encode(),
        quote(SECRET, safe="").encode(),
        json.dumps({"key": SECRET}).encode(),
        SECRET.encode().hex().encode(),
        base64.b64encode(SECRET.encode()),
        base64.b64encode(b"admin:" + SECRET.encode() + b"\n"),
        base64.b64encode(b"a" + SECRET.encode() + b"bc"),
        base64.urlsafe_b64encode(b"ab" + SECRET.encode()),
    ],
)
def test_a_secret_is_found_in_every_spelling(content):
    wanted = needles({"key": SECRET})

    assert named_in(b"before " + content + b" after", wanted) == ["key"]


def test_what_is_near_a_secret_is_not_it():
    wanted = needles({"key": SECRET})

    assert named_in(SECRET[:-1].encode() + base64.b64encode(SECRET[:-3].encode()), wanted) == []


def test_a_private_key_is_found_by_its_lines_and_its_der_form_but_not_by_its_public_part():
    wanted = needles({"token_key": PEM})
    der = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert named_in(PEM.replace("\n", "\\n").encode(), wanted) == ["token_key"]
    assert named_in(base64.b64encode(PEM.strip().encode()), wanted) == ["token_key"]
    assert named_in(der, wanted) == ["token_key"]
    assert named_in(public, wanted) == []
    assert named_in(PEM.splitlines()[-2].encode(), wanted) == []


def test_values_that_occur_by_chance_are_not_searched_for():
    assert needles({"short": "abc", "blank": "   \n", "long": "abcdefgh"}) == {"long": spellings("abcdefgh")}
