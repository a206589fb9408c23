"""Digests of credentials. What is stored cannot be presented, and cannot be made without the session key."""

from __future__ import annotations

import hashlib
import hmac
import secrets

RANDOM_BYTES = 32
BLOCK_BYTES = 64


class Digests:
    """Keyed digests, one key a purpose, all derived from the session key."""

    def __init__(self, session_key: bytes) -> None:
        self._key = _Keyed(hmac.digest(session_key, b"panotti/credential", "sha256"))
        self._csrf = _Keyed(hmac.digest(session_key, b"panotti/csrf", "sha256"))

    def of(self, credential: bytes) -> bytes:
        """The digest under which a key, refresh token or session id is stored and found."""
        return self._key.digest(credential)

    def csrf(self, session: bytes) -> str:
        """The CSRF token that belongs to the session with this digest, and to no other."""
        return self._csrf.digest(session).hex()


class _Keyed:
    """HMAC-SHA-256 (RFC 2104) under one key of at most a block.

    The hashes' states after the padded key are kept. The standard library's function looks its algorithm up
    and hashes the key again at every call, which costs five times as much for a short message.
    """

    def __init__(self, key: bytes) -> None:
        block = key.ljust(BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def fresh(prefix: str) -> str:
    """A new credential of 256 random bits; the prefix tells a reader (and a secret scanner) what it is."""
    return f"{prefix}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def fresh_id() -> str:
    """A name for something that is no secret."""
    return secrets.token_hex(8)
