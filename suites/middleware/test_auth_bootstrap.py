"""The first administrator's key is replaced, and what the one before had issued ends with it."""

from __future__ import annotations

from harness import control, edit, floor
from harness.credentials import tokens_in
from harness.principals import ApiKey, Tokens
from harness.probes.reply import Reply
from harness.site import Site

REFUSED = (401, 403)
NEW = "-replaced"

BOOTSTRAP = "panotti/identity/bootstrap.py"
# What a restart with another secret does, for one worker: the rest of it is the same process.
REPLACEABLE = edit(
    "a request for the version replaces the first key in the worker that answers",
    "panotti/routes/health.py",
    "    settings = services_of(request.scope).settings\n",
    "    services, settings = services_of(request.scope), services_of(request.scope).settings\n"
    '    old = request.headers["x-api-key"]\n'
    f'    services.authenticator._bootstrap.__init__(services.digests, old + "{NEW}")\n',
)
UNBOUND = edit(
    "tokens of the first key name no particular key",
    BOOTSTRAP,
    '        self._key_id = f"{BOOTSTRAP}-{self.digest.hex()[:DIGITS]}"\n',
    "        self._key_id = BOOTSTRAP\n",
)
ACCESS_GOES_ON = edit(
    "access tokens of the first key outlive it",
    "panotti/identity/authenticator.py",
    "return None if self._bootstrap.replaced(principal) else principal",
    "return principal",
)
REFRESH_GOES_ON = edit(
    "refresh tokens of the first key outlive it",
    "panotti/identity/refresh.py",
    "            if self._bootstrap.replaced(caller):\n                return None\n",
    "",
)


def _refresh(site: Site, tokens: Tokens) -> Reply:
    reply = site.http.post(site.contract.path("tokens.refresh"), json={"refresh_token": tokens.refresh})
    floor(reply.decided, f"no decision was made on a refresh token: {reply.status or reply.error}")
    return reply


@control(
    "middleware.auth.tokens",
    broken_by=(UNBOUND, ACCESS_GOES_ON, REFRESH_GOES_ON),
    setup=REPLACEABLE,
    fresh=True,
)
def test_tokens_of_a_replaced_first_key_end(site: Site) -> None:
    """Once the first administrator's key is another, nothing that the one before issued works any more."""
    listing, version = site.contract.path("administration.api_keys"), site.contract.path("version.path")
    old = ApiKey(value=site.deployment.api_key)
    new = ApiKey(value=old.value + NEW)
    with site.workers() as workers:
        kept, renewed = site.tokens(old), tokens_in(_refresh(site, site.tokens(old)))
        before = [*workers.ask("GET", listing, token=kept), *workers.ask("GET", listing, token=renewed)]
        floor(all(reply.ok for reply in before), "the tokens did not work in every worker before")
        replaced = workers.ask("GET", version, key=old)
        floor(all(reply.ok for reply in replaced), "a worker did not replace its key")
        gone, there = workers.ask("GET", listing, key=old), workers.ask("GET", listing, key=new)
        floor(all(reply.status in REFUSED for reply in gone), "a worker lets the old key in")
        floor(all(reply.ok for reply in there), "a worker does not let the new key in")
        after = [*workers.ask("GET", listing, token=kept), *workers.ask("GET", listing, token=renewed)]

    floor(all(reply.decided for reply in after), "a worker made no decision")
    statuses = sorted({reply.status for reply in after})
    assert all(status in REFUSED for status in statuses), f"access tokens of the old key answer {statuses}"
    for tokens in (kept, renewed):
        status = _refresh(site, tokens).status
        assert status in REFUSED, f"a refresh token of the old key was answered {status}"
    assert site.http.get(listing, token=site.tokens(new)).ok, "tokens of the new key do not work"
