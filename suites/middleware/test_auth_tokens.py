"""Access tokens: signed, short-lived, and refused for anything that is wrong with them.

Each forgery is made with the target's own key and everything else right, and a right forgery is accepted
first: a refusal then shows that the one thing wrong with it was looked at.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from harness import control, defect, edit, floor, setting
from harness.defects import Variation
from harness.probes.forgery import Forger, public_jwk
from harness.site import Site

REFUSED = (401, 403)
HOUR = 3600
NONES = ("none", "None", "NONE", "nOnE", "")

TOKENS = "panotti/identity/tokens.py"
IN_FORCE = "return bool(not_before <= time.time() < expires)"
ISSUER = 'claims.get("iss") != self._issuer'
AUDIENCE = 'claims.get("aud") != self._audience'
DECODER = """def _decode(token, key, ours):
    head, body, signature = token.split(".")
    raw = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    header, claims = json.loads(raw(head)), json.loads(raw(body))
    alg, message = str(header.get("alg")), f"{head}.{body}".encode()
    if CONDITION:
        return jwt.Token(ours, claims)
    return jwt.decode(token, key, [ALGORITHM])


def _is_number("""


def accepting(title: str, condition: str) -> Variation:
    """A server that also takes a token for which `condition` holds (a Python expression)."""
    return defect(
        title,
        edit(
            "",
            TOKENS,
            "import re\n",
            "import base64\nimport hmac\nimport json\nimport re\nfrom pathlib import Path\n",
        ),
        edit("", TOKENS, r'\.[A-Za-z0-9_-]+")', r'\.[A-Za-z0-9_-]*")'),
        edit(
            "",
            TOKENS,
            "jwt.decode(token, self._public, [ALGORITHM])",
            "_decode(token, self._public, self._header)",
        ),
        edit("", TOKENS, "def _is_number(", DECODER.replace("CONDITION", condition)),
    )


ALG_NONE = accepting("alg none is accepted", 'alg.lower() == "none"')
CONFUSED = accepting(
    "the public key serves as an HMAC secret",
    'alg == "HS256" and raw(signature) == hmac.digest(key.as_pem(private=False), message, "sha256")',
)
UNVERIFIED = accepting("signatures are not verified", "True")
OWN_KEY = accepting(
    "a token's own key is trusted",
    '"jwk" in header and jwt.decode(token, ECKey.import_key(header["jwk"]), [ALGORITHM])',
)
KID_IS_A_FILE = accepting(
    "kid names the file of the key",
    'alg == "HS256" and raw(signature) == hmac.digest('
    'Path("/etc/panotti/keys", header["kid"]).read_bytes(), message, "sha256")',
)
CUT_IS_FINE = accepting("a token that lost its signature is accepted", "not signature")
EXPIRY_UNCHECKED = edit("expiry is not checked", TOKENS, IN_FORCE, "return bool(not_before <= time.time())")
NO_EXPIRY = edit(
    "a token without an expiry lasts for ever",
    TOKENS,
    'claims.get("exp"),',
    'claims.get("exp", float("inf")),',
)
START_UNCHECKED = edit(
    "the not-before time is not checked", TOKENS, IN_FORCE, "return bool(time.time() < expires)"
)
AUDIENCE_UNCHECKED = edit("the audience is not checked", TOKENS, f" or {AUDIENCE}", "")
ISSUER_UNCHECKED = edit("the issuer is not checked", TOKENS, f"{ISSUER} or ", "")
AUDIENCE_OPTIONAL = edit(
    "a token without an audience is for everybody",
    TOKENS,
    'claims.get("aud")',
    'claims.get("aud", self._audience)',
)
ISSUER_BY_PREFIX = edit(
    "the issuer is compared by its beginning",
    TOKENS,
    ISSUER,
    'not str(claims.get("iss")).startswith(self._issuer)',
)
LONG_LIVED = setting(title="access tokens live for a month", ACCESS_TOKEN_TTL=30 * 86_400)


def _forger(site: Site) -> Forger:
    """A forger whose right forgery was just accepted."""
    forger = site.forger()
    status = site.present(token=forger.signed()).status
    floor(200 <= status < 300, f"a token forged right was answered {status}: a refusal shows nothing")
    return forger


def _assert_refused(site: Site, tokens: Iterable[str], what: str) -> None:
    for token in tokens:
        status = site.present(token=token).status
        assert status in REFUSED, f"a token {what} was answered {status}, not 401 or 403"


@control("middleware.auth.tokens", broken_by=ALG_NONE)
def test_an_unsigned_token_is_refused(site: Site) -> None:
    """The algorithm `none` is no algorithm, in any spelling (RFC 8725 3.2)."""
    forger = _forger(site)
    kept = forger.parts[2]

    _assert_refused(site, (forger.unsigned(alg) for alg in NONES), "without a signature")
    _assert_refused(
        site, (forger.unsigned(alg, signature=kept) for alg in NONES), "of alg none with a signature"
    )


@control("middleware.auth.tokens", broken_by=CONFUSED)
def test_the_public_key_is_no_secret(site: Site) -> None:
    """What everybody may know does not sign: an HMAC with the public key is refused (RFC 8725 3.1)."""
    forger = _forger(site)
    algorithms = ("HS256", "HS384", "HS512")
    confused = [forger.macced(key, alg=alg) for key in forger.public_spellings() for alg in algorithms]

    _assert_refused(site, confused, "with an HMAC of the public key")


@control("middleware.auth.tokens", broken_by=UNVERIFIED)
def test_a_token_of_another_key_is_refused(site: Site) -> None:
    """Only the target's own key signs, and only what the token says."""
    forger = _forger(site)
    names = [name for name, value in forger.claims.items() if isinstance(value, str)]

    _assert_refused(site, [forger.signed(key=forger.stranger())], "signed by another key")
    altered = [forger.altered(role="admin"), *(forger.altered(**{name: "other"}) for name in names)]
    _assert_refused(site, altered, "changed under its signature")


@control("middleware.auth.tokens", broken_by=(OWN_KEY, KID_IS_A_FILE))
def test_a_token_does_not_choose_its_key(site: Site) -> None:
    """No header field brings a key in: not `kid` by injection, nor `jwk`, `jku` or `x5u` (RFC 8725 3.10)."""
    forger = _forger(site)
    other = forger.stranger()
    nothing = ("/dev/null", "../../../../../../../../dev/null", "")
    injected = ("' UNION SELECT 'harness' -- ", '" UNION SELECT "harness" -- ')
    fields: tuple[dict[str, Any], ...] = (
        {"jwk": public_jwk(other)},
        {"jku": "https://attacker.example/jwks.json"},
        {"x5u": "https://attacker.example/chain.pem"},
        {"kid": "attacker", "jwk": public_jwk(other)},
    )

    _assert_refused(
        site, (forger.macced(b"", header={"kid": kid}) for kid in nothing), "whose kid names no key"
    )
    sql = (forger.macced(b"harness", header={"kid": kid}) for kid in injected)
    _assert_refused(site, sql, "whose kid is a query")
    _assert_refused(
        site, (forger.signed(header=extra, key=other) for extra in fields), "that brings its own key"
    )


@control("middleware.auth.tokens", broken_by=(EXPIRY_UNCHECKED, NO_EXPIRY))
def test_an_expired_token_is_refused(site: Site) -> None:
    """A token ends with its `exp`, and one without it never began."""
    forger = _forger(site)
    expired = [forger.signed(claims={"exp": time.time() - ago}) for ago in (5 * 60, HOUR, 365 * 24 * HOUR)]

    _assert_refused(site, expired, "that has expired")
    _assert_refused(site, [forger.signed(claims={"exp": None})], "without an expiry")


@control("middleware.auth.tokens", broken_by=START_UNCHECKED)
def test_a_token_not_yet_valid_is_refused(site: Site) -> None:
    """A token does not begin before its `nbf`."""
    forger, now = _forger(site), time.time()
    later = [{"nbf": now + ahead, "exp": now + ahead + HOUR} for ahead in (10 * 60, 24 * HOUR)]

    _assert_refused(site, (forger.signed(claims=claims) for claims in later), "that is not yet valid")


@control("middleware.auth.tokens", broken_by=(AUDIENCE_UNCHECKED, AUDIENCE_OPTIONAL))
def test_a_token_for_another_audience_is_refused(site: Site) -> None:
    """A token that was issued for another service is refused (ASVS v5.0.0-9.2.3)."""
    forger = _forger(site)
    others: tuple[object, ...] = (
        "another-api",
        ["another-api", "a-third"],
        "",
        f"{forger.claims.get('aud')}x",
        None,
    )

    _assert_refused(site, (forger.signed(claims={"aud": aud}) for aud in others), "for another audience")


@control("middleware.auth.tokens", broken_by=(ISSUER_UNCHECKED, ISSUER_BY_PREFIX))
def test_a_token_of_another_issuer_is_refused(site: Site) -> None:
    """A token that another service issued is refused."""
    forger = _forger(site)
    ours = str(forger.claims.get("iss"))
    others = ("https://attacker.example", f"{ours}.attacker.example", "", None)

    _assert_refused(site, (forger.signed(claims={"iss": iss}) for iss in others), "of another issuer")


@control("middleware.auth.tokens", broken_by=CUT_IS_FINE)
def test_a_truncated_token_is_refused(site: Site) -> None:
    """A part of a token is no token, nor one with a part missing, doubled or blank."""
    forger = _forger(site)
    head, body, signature = forger.parts
    blank = "A" * len(signature)  # all zero: the signature that CVE-2022-21449 took for any message's
    cut = (f"{head}.{body}.", f"{head}.{body}", head, f"{head}..{signature}", f".{body}.{signature}", "..")
    shorter = (forger.genuine[:-2], forger.genuine[: len(forger.genuine) // 2], forger.genuine[4:])

    _assert_refused(site, cut, "with a part missing")
    _assert_refused(site, shorter, "that is cut off")
    _assert_refused(
        site, (f"{head}.{body}.{blank}", f"{forger.genuine}.{signature}"), "with another signature"
    )


@control("middleware.auth.tokens", broken_by=LONG_LIVED)
def test_access_tokens_are_short_lived(site: Site) -> None:
    """An access token lives no longer than the policy lets it, and says so."""
    tokens, limit_s = site.tokens(), site.policy.auth.access_ttl_s
    issued = time.time()
    floor(site.present(token=tokens).ok, "the token was not accepted")
    left_s = float(site.forger(tokens).claims.get("exp") or float("inf")) - issued

    assert left_s <= limit_s + 1, f"an access token lives {left_s:g} s, not at most {limit_s:g} s"
    assert 0 < tokens.expires_in <= limit_s, (
        f"the issuer says {tokens.expires_in:g} s, not at most {limit_s:g} s"
    )
