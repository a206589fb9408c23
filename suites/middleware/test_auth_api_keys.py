"""API keys: compared exactly, taken from one place only, and refused before anything else is read."""

from __future__ import annotations

import secrets

from harness import control, defect, edit, floor, prompt
from harness.principals import ApiKey
from harness.probes.reply import Reply
from harness.site import Site

REFUSED = (401, 403)
IN_URLS = ("api_key", "apikey", "api-key", "key", "token", "access_token", "auth")

AUTHENTICATOR = "panotti/identity/authenticator.py"
MIDDLEWARE = "panotti/middleware/authentication.py"
DIGESTS = "panotti/identity/digests.py"
DIGEST = "return self._key.digest(credential)"
BODY_LIMIT = (
    "partial(BodyLimitMiddleware, max_bytes=settings.max_body_bytes, timeout=settings.body_timeout),\n"
)
AUTHENTICATION = "        partial(AuthenticationMiddleware, table=table),\n"

NOBODY_IS_THE_OPERATOR = edit(
    "a request without a credential acts as the operator",
    AUTHENTICATOR,
    "            case None:\n                return None\n",
    "            case None:\n                return self._bootstrap.principal\n",
)
UNSET_IS_EMPTY = defect(
    "the empty key is accepted when no previous key is set",
    edit("", AUTHENTICATOR, "import hmac\n", "import hmac\nimport os\n"),
    edit(
        "",
        AUTHENTICATOR,
        "        if hmac.compare_digest(digest, self._bootstrap.digest):\n",
        '        previous = self._digests.of(os.environ.get("PANOTTI_PREVIOUS_KEY", "").encode())\n'
        "        if digest in (self._bootstrap.digest, previous):\n",
    ),
)
ANY_CASE = edit(
    "keys are compared without regard to case",
    DIGESTS,
    DIGEST,
    DIGEST.replace("credential", "credential.lower()"),
)
CUT_OFF = edit(
    "only the first 40 characters of a key count",
    DIGESTS,
    DIGEST,
    DIGEST.replace("credential", "credential[:40]"),
)
QUOTES_OFF = edit(
    "quotes and separators around a key are stripped",
    DIGESTS,
    DIGEST,
    DIGEST.replace("credential", "credential.strip(b'\"=;')"),
)
FIRST_COUNTS = edit(
    "the first of several keys counts",
    "panotti/identity/credentials.py",
    "    if len(keys) + len(authorizations) > 1:\n        return None\n",
    "",
)
IN_QUERY = defect(
    "a key is accepted in the query string",
    edit("", MIDDLEWARE, "from starlette", "from urllib.parse import parse_qs\n\nfrom starlette"),
    edit(
        "",
        MIDDLEWARE,
        'principal = await services.authenticator.authenticate(scope["headers"])',
        'asked = parse_qs(scope["query_string"]).get(b"api_key", [])\n'
        '        given = [*scope["headers"], *((b"x-api-key", value) for value in asked)]\n'
        "        principal = await services.authenticator.authenticate(given)",
    ),
)
BODY_FIRST = defect(
    "the body is read before the key is looked at",
    edit("", "panotti/app.py", AUTHENTICATION, ""),
    edit("", "panotti/app.py", BODY_LIMIT, BODY_LIMIT + AUTHENTICATION),
)


def _accepted(site: Site) -> ApiKey:
    """A key that was just seen to work."""
    key = site.key()
    reply = site.present(key=key)
    floor(reply.ok, f"the right key was answered {reply.status}: a refusal shows nothing")
    return key


def _assert_refused(reply: Reply, what: str) -> None:
    floor(reply.decided, f"{what}: no decision was made ({reply.status or reply.error})")
    assert reply.status in REFUSED, f"{what} was answered {reply.status}, not 401 or 403"


@control("middleware.auth.api-keys", broken_by=(NOBODY_IS_THE_OPERATOR, UNSET_IS_EMPTY))
def test_a_missing_wrong_or_empty_key_is_refused(site: Site) -> None:
    """A request without a key, with an empty one or with nobody's is refused."""
    key = _accepted(site).value
    last = "A" if key[-1] != "A" else "B"

    _assert_refused(site.present(), "a request without a key")
    _assert_refused(site.present(key=""), "the empty key")
    _assert_refused(site.present(key=secrets.token_urlsafe(36)), "nobody's key")
    _assert_refused(site.present(key=key[:-1] + last), "a key that is wrong in its last character")
    _assert_refused(site.present(key="null"), "the word null")


@control("middleware.auth.api-keys", broken_by=ANY_CASE)
def test_a_key_in_another_case_is_refused(site: Site) -> None:
    """Upper and lower case make different keys (CWE-178)."""
    key = _accepted(site).value

    for changed in {key.swapcase(), key.lower(), key.upper()} - {key}:
        _assert_refused(site.present(key=changed), "the key in another case")


@control("middleware.auth.api-keys", broken_by=(CUT_OFF, QUOTES_OFF))
def test_a_truncated_or_padded_key_is_refused(site: Site) -> None:
    """A part of a key, or a key with something added, is no key."""
    key = _accepted(site).value
    truncated = {key[:-1], key[1:], key[: len(key) // 2], key[4:]}
    padded = {f"{key}A", f"A{key}", f"{key}=", f'"{key}"', f"{key};", f"{key}%00", key * 2}

    for changed in truncated | padded:
        what = f"the key with {len(changed)} characters instead of {len(key)}"
        _assert_refused(site.present(key=changed), what)


@control("middleware.auth.api-keys", broken_by=FIRST_COUNTS)
def test_a_repeated_key_is_refused(site: Site) -> None:
    """Two key headers mean nobody, even if one or both are right (RFC 9110 5.3: the field is no list)."""
    key, header, wrong = _accepted(site).value, site.contract.http.auth_header, secrets.token_urlsafe(36)

    for pair in ((key, wrong), (wrong, key), (key, key)):
        repeated = [(header, value) for value in pair]
        _assert_refused(site.present(headers=repeated), "a repeated key header")
    _assert_refused(site.present(key=f"{key}, {key}"), "a list of keys")


@control("middleware.auth.api-keys", broken_by=IN_QUERY)
def test_a_key_in_the_url_is_refused(site: Site) -> None:
    """A key counts in its header alone: addresses end up in logs and histories (CWE-598)."""
    key, header = _accepted(site).value, site.contract.http.auth_header
    path = site.contract.path("recordings.started")

    for name in dict.fromkeys((*IN_URLS, header, header.lower())):
        reply = site.http.post(f"{path}?{name}={key}", json={"recordingId": "rec-in-url"})
        _assert_refused(reply, f"the key in the query parameter {name}")
    _assert_refused(site.present(cookies={header: key}), "the key in a cookie")


@control("middleware.auth.api-keys", broken_by=BODY_FIRST)
def test_a_refusal_comes_before_the_body(site: Site) -> None:
    """Who has no key cannot make the server read: the refusal comes on the headers alone."""
    path, content = site.contract.path("recordings.started"), b'{"recordingId": "rec-late-body"}'
    announced = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    right = site.raw.message("POST", path, key=site.key(), headers=announced)
    wrong = site.raw.message("POST", path, key=secrets.token_urlsafe(36), headers=announced)
    served = site.raw([right, 0.3, content], method="POST")
    floor(served.ok and served.sent == len(right + content), "a body was not waited for with the right key")

    limit_s = site.policy.server.body_timeout_s
    reply = site.raw(wrong, method="POST", timeout_s=limit_s + site.policy.server.timeout_slack_s)
    assert reply.status in REFUSED, f"a wrong key without its body was answered {reply.status or reply.error}"
    prompt(reply.elapsed_s < limit_s, "the refusal came only when the time for the body was over")
