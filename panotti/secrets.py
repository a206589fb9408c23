"""The secrets: read from files, weighed, never shown.

Their names are their file names in PANOTTI_SECRETS_DIR. Outside staging and production they may also come by
the environment, and the ones that only protect this process may be made up.
"""

from __future__ import annotations

import math
import secrets as randomness
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from panotti.settings import Profile

NAMES = ("api_key", "token_key", "session_key", "database_password", "redis_password")
# Needed with the setting alone, and known to another server: they cannot be made up.
PASSWORDS = {"database_password": "database_url", "redis_password": "redis_url"}
MINIMUM_LENGTH = 32
# 96 bits: half of what 32 random hexadecimal digits show, far over any phrase or repetition of that length.
MINIMUM_ENTROPY_BITS = 96
DEFAULTS = (
    "changeme",
    "change-me",
    "change_me",
    "password",
    "example",
    "default",
    "your-secret",
    "your-api-key",
    "insecure",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The first administrator's key, the signing key (PEM), the key of sessions and digests, two passwords.

    A password is empty where its server is not used.
    """

    api_key: str = field(repr=False)
    token_key: bytes = field(repr=False)
    session_key: bytes = field(repr=False)
    database_password: str = field(default="", repr=False)
    redis_password: str = field(default="", repr=False)
    generated: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


def weakness(name: str, value: bytes) -> str | None:
    """Why `value` cannot serve as the secret `name`; None if it can."""
    if not value:
        return "it is empty"
    if name == "token_key":
        return _token_key_weakness(value)
    return _random_weakness(value)


def generate(name: str) -> bytes:
    """A fresh secret of the kind `name` asks for."""
    if name == "token_key":
        key = ec.generate_private_key(ec.SECP256R1())
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return randomness.token_urlsafe(48).encode()


def choose(
    profile: Profile, found: Mapping[str, tuple[bytes, str]], passwords: Collection[str] = ()
) -> tuple[Secrets | None, list[str]]:
    """The secrets out of what was found (name -> value, source), or the reasons to refuse them.

    passwords: those of PASSWORDS that this configuration needs; the others are not looked at.
    """
    problems, values, generated = [], {}, []
    for name in NAMES:
        if name in PASSWORDS and name not in passwords:
            continue
        if name in found:
            value, source = found[name]
            values[name] = value
            if reason := weakness(name, value):
                problems.append(f"secret {name} ({source}) is too weak: {reason}")
        elif name in PASSWORDS:
            problems.append(missing_password(name))
        elif profile.guarded or (name == "api_key" and profile is Profile.TESTING):
            problems.append(
                f"secret {name} is missing: put it in the file {name} in the folder PANOTTI_SECRETS_DIR"
            )
        else:
            values[name] = generate(name)
            generated.append(name)
    if problems:
        return None, problems
    return Secrets(
        api_key=values["api_key"].decode("ascii", "strict"),
        token_key=values["token_key"],
        session_key=values["session_key"],
        **{name: values[name].decode("ascii", "strict") for name in passwords},
        generated=tuple(generated),
        sources={name: _source(name, found, values) for name in NAMES},
    ), []


def missing_password(name: str) -> str:
    return f"secret {name} is missing, which {PASSWORDS[name]} needs: put it in a file of that name"


def _source(name: str, found: Mapping[str, tuple[bytes, str]], used: Collection[str]) -> str:
    if name not in used:
        return "not used"
    return found[name][1] if name in found else "made at this start"


def read_files(folder: Path) -> tuple[dict[str, tuple[bytes, str]], list[str]]:
    """The secret files of `folder` (name -> value, source), and what is wrong with the folder."""
    try:
        # Orchestrators keep hidden links beside the mounted files.
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        return {}, [f"PANOTTI_SECRETS_DIR: {folder} cannot be read: {error.strerror}"]
    found: dict[str, tuple[bytes, str]] = {}
    problems = []
    for path in files:
        if path.name not in NAMES:
            problems.append(f"secret file {path} is unknown; the known ones are {', '.join(NAMES)}")
            continue
        try:
            found[path.name] = path.read_bytes().strip(), f"file {path}"
        except OSError as error:
            problems.append(f"secret file {path} cannot be read: {error.strerror}")
    return found, problems


def _random_weakness(value: bytes) -> str | None:
    if len(value) < MINIMUM_LENGTH:
        return f"it is shorter than {MINIMUM_LENGTH} characters"
    lowered = value.lower()
    if any(word.encode() in lowered for word in DEFAULTS):
        return "it is, or contains, a known default"
    if any(not 0x21 <= byte <= 0x7E for byte in value):
        return "it holds something else than visible ASCII characters, which a header cannot carry"
    # A string with a period occurs in itself doubled, away from both ends.
    if value in (value + value)[1:-1] or _entropy_bits(value) < MINIMUM_ENTROPY_BITS:
        return "it is repetitive (low entropy); use a random one"
    return None


def _entropy_bits(value: bytes) -> float:
    counts = Counter(value).values()
    return -sum(count * math.log2(count / len(value)) for count in counts)


def _token_key_weakness(value: bytes) -> str | None:
    try:
        key = load_pem_private_key(value, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "it is not an unencrypted private key in PEM form"
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return None
    return "it is not an elliptic-curve key on P-256, which ES256 needs"
