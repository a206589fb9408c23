"""Access tokens: JSON Web Tokens, ES256, short-lived (RFC 9068 for the type, RFC 8725 for the checks)."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import Any, TypeGuard

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from panotti.identity.principal import Principal

ALGORITHM = "ES256"
TYPE = "at+jwt"
# Longer ones are not ours; parsing them is work for a stranger.
MAXIMUM_LENGTH = 2048
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class TokenRefusedError(Exception):
    """The token proves nothing. Why is for nobody to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an accepted token says: its family and whom it was issued to."""

    family: str
    subject: str


class AccessTokens:
    """Issues and verifies. `ttl` is in seconds."""

    def __init__(self, pem: bytes, *, issuer: str, audience: str, ttl: float) -> None:
        self._key = ECKey.import_key(pem)
        self._public = ECKey.import_key(self._key.as_dict(private=False))
        self._header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._key.thumbprint()}
        self._issuer = issuer
        self._audience = audience
        self.ttl = ttl

    def issue(self, caller: Principal, family: str) -> str:
        """A token for the caller that dies with its family, or after `ttl` seconds."""
        moment = time.time()
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": caller.id,
            "tenant": caller.tenant,
            "role": caller.role.label,
            "fam": family,
            "iat": int(moment),
            "nbf": int(moment),
            "exp": moment + self.ttl,
            "jti": secrets.token_hex(8),
        }
        return jwt.encode(self._header, claims, self._key, [ALGORITHM], default_type=None)

    def verify(self, token: str) -> Claims:
        """The claims of a token of ours in force. Raises TokenRefusedError for any other text."""
        if len(token) > MAXIMUM_LENGTH or not SHAPE.fullmatch(token):
            raise TokenRefusedError
        try:
            decoded = jwt.decode(token, self._public, [ALGORITHM])
        except (JoseError, ValueError, TypeError, RecursionError):
            raise TokenRefusedError from None
        if decoded.header != self._header or not self._in_force(decoded.claims):
            raise TokenRefusedError
        family, subject = decoded.claims.get("fam"), decoded.claims.get("sub")
        if not isinstance(family, str) or not isinstance(subject, str):
            raise TokenRefusedError
        return Claims(family=family, subject=subject)

    def _in_force(self, claims: dict[str, Any]) -> bool:
        expires, not_before = claims.get("exp"), claims.get("nbf")
        if not _is_number(expires) or not _is_number(not_before):
            return False
        if claims.get("iss") != self._issuer or claims.get("aud") != self._audience:
            return False
        return bool(not_before <= time.time() < expires)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
