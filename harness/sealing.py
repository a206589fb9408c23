"""The seal of a journal: how long each segment is, how it ends, and a signature that vouches for it.

The key is the user's where HARNESS_SIGNING_KEY names a file that holds one (Ed25519, RFC 8032, in PEM), else
one that is made for the run and forgotten with it. To whoever knows the key's fingerprint from elsewhere, the
signature proves that the journal is as the run left it. A run prints the fingerprint when it ends; read from
the journal alone it proves nothing, since whoever can write there can sign with a key of his own.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness.errors import UserError
from harness.records import Json

KEY_VARIABLE: Final = "HARNESS_SIGNING_KEY"
UNSIGNED: Final = "it is unsigned: anybody who could write it may have changed it"
Lengths = Mapping[str, tuple[int, str]]  # by segment: how many records, and the hash of the last


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key that signs one journal. made_for_run: nobody has it once the run is over."""

    key: Ed25519PrivateKey
    made_for_run: bool

    @property
    def told(self) -> dict[str, Json]:
        """What the journal's head says of it."""
        public = self.key.public_key().public_bytes_raw().hex()
        return {"public_key": public, "made_for_run": self.made_for_run}

    def seal(self, head: str, lengths: Lengths, owner: tuple[int, str]) -> dict[str, Any]:
        """Return the seal. head: hash of the journal's head. owner: length of its segment before the seal."""
        signature = self.key.sign(_message(head, lengths, owner))
        return {"segments": dict(lengths), "signature": base64.b64encode(signature).decode()}


def signer() -> Signer:
    """Return the user's key, or a new one. Raises `UserError` for a file that holds none."""
    name = os.environ.get(KEY_VARIABLE)
    if not name:
        return Signer(key=Ed25519PrivateKey.generate(), made_for_run=True)
    remedy = "Make one: openssl genpkey -algorithm ed25519 -out FILE"
    try:
        key = load_pem_private_key(Path(name).read_bytes(), password=None)
    except OSError as cause:
        raise UserError(f"{KEY_VARIABLE}: {name}: {cause.strerror or cause}", remedy=remedy) from None
    except (ValueError, TypeError):
        raise UserError(f"{KEY_VARIABLE}: {name}: no private key without a password", remedy=remedy) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{KEY_VARIABLE}: {name}: not a key for Ed25519", remedy=remedy)
    return Signer(key=key, made_for_run=False)


def fingerprint(told: Mapping[str, Json]) -> str:
    """Return the fingerprint of a key by what a head says of it, as OpenSSH writes it; "" without one."""
    try:
        public = bytes.fromhex(str(told["public_key"]))
    except (KeyError, ValueError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def described(told: Mapping[str, Json]) -> str:
    """Say who signed: the fingerprint, and whose key it is; "" for nobody."""
    shown = fingerprint(told)
    whose = "made for this run" if told.get("made_for_run") else f"the one that {KEY_VARIABLE} named"
    return f"{shown} (a key {whose})" if shown else ""


def flaws(
    seal: Mapping[str, Any], told: Mapping[str, Json], head: str, owner: tuple[int, str]
) -> Iterator[str]:
    """Yield what is wrong with a seal's signature. told: what the head says of the key.

    head, owner: see `Signer.seal`.
    """
    if "signature" not in seal or not told:
        yield UNSIGNED
    else:
        if not _is_valid(seal["signature"], told, _message(head, _sealed(seal), owner)):
            yield "its signature does not match what it seals: the journal was edited after the run ended"


def differences(seal: Mapping[str, Any], lengths: Lengths) -> Iterator[str]:
    """Yield in what the segments but the owner's are not what was sealed."""
    known = _sealed(seal)
    for name, length in known.items():
        if name not in lengths:
            yield f"{name}.jsonl: this segment is missing"
        elif lengths[name] != length:
            yield f"{name}.jsonl: it was edited after the run ended: it does not match the seal"
    for name in lengths.keys() - known.keys():
        yield f"{name}.jsonl: this segment was added after the run ended"


def _sealed(seal: Mapping[str, Any]) -> Lengths:
    """Return what a seal says of the segments, as far as it says it rightly."""
    told = seal.get("segments")
    if not isinstance(told, Mapping):
        return {}
    pairs = {str(name): value for name, value in told.items() if isinstance(value, list | tuple)}
    return {name: (value[0], str(value[1])) for name, value in pairs.items() if len(value) == 2}


def _message(head: str, lengths: Lengths, owner: tuple[int, str]) -> bytes:
    told = {name: list(length) for name, length in lengths.items()}
    return orjson.dumps({"head": head, "segments": told, "owner": list(owner)}, option=orjson.OPT_SORT_KEYS)


def _is_valid(signature: object, told: Mapping[str, Json], message: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(told.get("public_key"))))
        key.verify(base64.b64decode(str(signature), validate=True), message)
    except (InvalidSignature, ValueError):
        return False
    return True
