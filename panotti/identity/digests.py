"""Digests of credentials. What is stored cannot be presented, and cannot be made without the session key."""

from __future__ import annotations

import hashlib
import hmac
import secrets

RANDOM_BYTES = 32


class Digests:
    """Keyed digests, one key a purpose, all derived from the session key."""

    def __init__(self, session_key: bytes) -> None:
        self._key = hmac.digest(session_key, b"panotti/credential", hashlib.sha256)
        self._csrf = hmac.digest(session_key, b"panotti/csrf", hashlib.sha256)

    def of(self, credential: bytes) -> bytes:
        """The digest under which a key, refresh token or session id is stored and found."""
        return hmac.digest(self._key, credential, hashlib.sha256)

    def csrf(self, session: bytes) -> str:
        """The CSRF token that belongs to the session with this digest, and to no other."""
        return hmac.digest(self._csrf, session, hashlib.sha256).hex()


def fresh(prefix: str) -> str:
    """A new credential of 256 random bits; the prefix tells a reader (and a secret scanner) what it is."""
    return f"{prefix}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def fresh_id() -> str:
    """A name for something that is no secret."""
    return secrets.token_hex(8)
