from __future__ import annotations

import base64
import random
import secrets
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness.probes.keymaterial import key_material, looks_random, named_secret

PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def kinds(text: str | bytes, path: str = "etc/app.conf") -> list[str]:
    return list(key_material(path, text.encode() if isinstance(text, str) else text))


def drawn(encode: Callable[[bytes], str], seed: int = 1) -> str:
    """The same 48 random bytes in each run: about one drawn value in a hundred looks written."""
    return encode(random.Random(seed).randbytes(48))


def urlsafe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize("encode", [urlsafe, bytes.hex])
def test_drawn_values_look_random(encode):
    assert sum(looks_random(drawn(encode, seed)) for seed in range(200)) >= 195


@pytest.mark.parametrize(
    "value",
    [
        *("PKCS12PrivateKeyTypes", "application/json", "recording_timestamp_2", "aaaaaaaaaaaaaaaaaaaaaaaaA1"),
        *(
            "00000000000000000000000000000000",
            "org/Path/To/Another/Page12",
            "ResourceNotFoundError404",
        ),
    ],
)
def test_written_names_do_not(value):
    assert not looks_random(value)


@pytest.mark.parametrize(
    "line",
    ["API_KEY={}", 'secret = "{}"', "token: '{}'", '"db_password": "{}"', "export AWS_SECRET_ACCESS_KEY={}"],
)
def test_a_named_secret_is_found(line):
    assert named_secret(f"first = 1\n{line.format(drawn(urlsafe))}\n")


def test_a_secret_behind_a_value_that_ends_in_its_name_is_found():
    assert named_secret(f"key=a-long-value-of-the-other-token={drawn(urlsafe)}")


def test_a_random_value_of_another_name_is_a_digest_or_an_id():
    assert not named_secret(f"sha256 = {secrets.token_hex(32)}\nid: {secrets.token_urlsafe(32)}\n")


@pytest.mark.parametrize(
    "text", [PEM, PEM.replace(b"\n", b"\r\n"), b'KEY = "' + PEM.replace(b"\n", b"\\n") + b'"']
)
def test_a_private_key_is_found_wherever_it_stands(text):
    assert "a private key" in kinds(text, "usr/lib/python3/key.py")


def test_a_parser_that_names_the_header_holds_no_key():
    assert kinds('START = "-----BEGIN PRIVATE KEY-----"\nEND = "-----END PRIVATE KEY-----"\n') == []


def test_issued_tokens_and_lone_values_are_found():
    assert kinds("key AKIA" + "Q" * 16 + " of AWS") == ["a token of a known issuer"]
    assert kinds(drawn(urlsafe) + "\n", "run/api_key") == ["one random value and nothing else"]


@pytest.mark.parametrize("path", ["usr/share/doc/x", "usr/lib/python3/x.py"])
def test_the_distribution_talks_about_passwords(path):
    assert kinds(f"password={secrets.token_urlsafe(32)}", path) == []


def test_programs_and_other_binaries_hold_their_own_constants():
    assert kinds(b"\x7fELF" + PEM) == []
    assert kinds(b"\0token=" + secrets.token_urlsafe(32).encode()) == []
