"""Access tokens as an attacker would make them, and as the target itself makes them. The only importer of
joserfc.

The forger holds the target's own signing key, which shows that a forgery is refused for what is wrong with
it, and for nothing else.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from harness.outcome import NotVerified
from harness.principals import Tokens

AsymmetricKey = ECKey | RSAKey | OKPKey
Claims = Mapping[str, Any]
_KINDS: Final[Mapping[str, type[ECKey] | type[RSAKey] | type[OKPKey]]] = {
    "ES": ECKey,
    "RS": RSAKey,
    "PS": RSAKey,
    "Ed": OKPKey,
}
_NOTHING: Final[Claims] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Forger:
    """A token of the target (RFC 7519) taken apart, and the key that signed it.

    header, claims: the genuine ones. genuine: the token itself.
    """

    genuine: str = field(repr=False)
    header: Claims
    claims: Claims
    key: AsymmetricKey = field(repr=False)

    @property
    def parts(self) -> tuple[str, str, str]:
        """Header, claims and signature as they stand in the genuine token."""
        return _split(self.genuine)

    def signed(
        self, *, claims: Claims = _NOTHING, header: Claims = _NOTHING, key: AsymmetricKey | None = None
    ) -> str:
        """Return the genuine token with these claims and header fields changed, signed anew.

        A value of None removes a field. key: another than the target's.
        """
        algorithm = JWSRegistry.algorithms[str(self.header["alg"])]
        content = self._content(header, claims)
        return f"{content}.{_encode(algorithm.sign(content.encode(), key or self.key))}"

    def macced(self, secret: bytes, *, header: Claims = _NOTHING, alg: str = "HS256") -> str:
        """Return the genuine token with an HMAC of `secret` in the signature's place."""
        content = self._content({**header, "alg": alg}, _NOTHING)
        return f"{content}.{_encode(hmac.digest(secret, content.encode(), f'sha{alg[2:]}'))}"

    def unsigned(self, alg: str, *, signature: str = "") -> str:
        """Return the genuine token under another `alg`, with no signature or the one given."""
        return f"{self._content({'alg': alg}, _NOTHING)}.{signature}"

    def altered(self, **claims: Any) -> str:
        """Return the genuine token with these claims changed under the signature it had."""
        return f"{self.parts[0]}.{_encode(_json({**self.claims, **claims}))}.{self.parts[2]}"

    def stranger(self) -> AsymmetricKey:
        """Return a fresh key of the kind that the target signs with."""
        match self.key:
            case ECKey() as key:
                return ECKey.generate_key(key.curve_name)
            case RSAKey():
                return RSAKey.generate_key(2048)
            case OKPKey() as key:
                return OKPKey.generate_key(key.curve_name)

    def public_spellings(self) -> tuple[bytes, ...]:
        """Return the public key in the forms in which a server may hold it: PEM, DER, JWK."""
        pem = self.key.as_pem(private=False)
        return (
            pem,
            pem.strip(),
            self.key.as_der(private=False),
            _json(self.key.as_dict(private=False)),
        )

    def _content(self, header: Claims, claims: Claims) -> str:
        first, second = _changed(self.header, header), _changed(self.claims, claims)
        return f"{_encode(_json(first))}.{_encode(_json(second))}"


def public_jwk(key: AsymmetricKey) -> dict[str, Any]:
    """Return the public half of a key as a JWK (RFC 7517)."""
    return cast("dict[str, Any]", key.as_dict(private=False))


def forger(tokens: Tokens, secrets: Iterable[str]) -> Forger:
    """Return a forger of tokens like this one. secrets: what the target was given; one of them signed it.

    Raises NotVerified when the token is no JWT, or none of the secrets is its key.
    """
    try:
        first, second, signature = _split(tokens.access)
        header, claims = json.loads(_decode(first)), json.loads(_decode(second))
        kind = _KINDS.get(str(header["alg"])[:2])
        algorithm = JWSRegistry.algorithms[str(header["alg"])]
    except (ValueError, KeyError, TypeError):
        raise NotVerified("the access token is no signed JWT, so none like it can be forged") from None
    if kind is None:
        raise NotVerified(f"the target signs by {header['alg']}, for which no forgery is known here")
    message = f"{first}.{second}".encode()
    for secret in secrets:
        key = _import(kind, secret)
        if key is not None and algorithm.verify(message, _decode(signature), key):
            return Forger(genuine=tokens.access, header=header, claims=claims, key=key)
    raise NotVerified("the key that signs the target's tokens is not known: none can be forged")


def _import(kind: type[ECKey] | type[RSAKey] | type[OKPKey], secret: str) -> AsymmetricKey | None:
    if "PRIVATE KEY" not in secret:
        return None
    try:
        return kind.import_key(secret)
    except (JoseError, ValueError):
        return None


def _split(token: str) -> tuple[str, str, str]:
    first, second, third = token.split(".")
    return first, second, third


def _changed(fields: Claims, changes: Claims) -> dict[str, Any]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def _json(value: Claims) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as cause:
        raise ValueError(str(cause)) from None
