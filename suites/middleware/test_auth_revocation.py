"""A key that is revoked takes along what it issued, also what it was issuing at that moment."""

from __future__ import annotations

from collections.abc import Iterable

from harness import control, edit, floor
from harness.credentials import tokens_in
from harness.principals import ApiKey, Tokens
from harness.probes.reply import Reply
from harness.site import Site

REFUSED = (401, 403)
ROUNDS = 6
CLIENTS = 16
# The first clients are still being answered when the revocation is sent, and others go on after it.
ISSUES = 3 * CLIENTS

KEYS = "panotti/storage/keys.py"
REFRESH = "panotti/identity/refresh.py"
HOLD = "            if not await callers.hold(connection, caller):\n                return None\n"
WRITING = "        async with self._database.writing() as connection:\n"

NOT_AGAIN = edit(
    "whether a key is in force is not looked at again when it issues",
    REFRESH,
    HOLD,
    "",
)
BEFORE_THE_WRITE = edit(
    "whether a key is in force is looked at before the write begins",
    REFRESH,
    WRITING + HOLD,
    WRITING.replace("writing", "reading") + HOLD + WRITING,
)
TOKENS_STAY = edit(
    "revoking a key leaves its tokens in force",
    KEYS,
    ".where(token_families.c.key_id == key_id, token_families.c.revoked_at.is_(None))",
    '.where(token_families.c.key_id == "")',
)


def _revoked_while_it_issues(site: Site, key: ApiKey, admin: ApiKey) -> list[Tokens]:
    """Revoke a key amid many requests for tokens; return the tokens that were issued."""
    issue = site.contract.path("tokens.issue")
    revoke = site.contract.path("administration.key").replace("{key_id}", key.id)
    burst = site.burst(
        ISSUES,
        [revoke if i == CLIENTS else issue for i in range(ISSUES)],
        method=["DELETE" if i == CLIENTS else "POST" for i in range(ISSUES)],
        each=lambda i: {"key": admin if i == CLIENTS else key},
        concurrency=CLIENTS,
        timeout_s=30.0,
    )
    replies = {hit.number: hit.reply for hit in burst.hits}
    revoked = replies.pop(CLIENTS)
    floor(revoked.ok, f"the revocation was answered {revoked.status or revoked.error}")
    issued = [tokens_in(reply) for reply in replies.values() if reply.ok]
    floor(issued, f"no tokens were issued before the revocation: {dict(burst.statuses)}")
    after = site.http.post(issue, key=key)
    floor(after.status in REFUSED, f"the key was answered {after.status or after.error} after its revocation")
    return issued


def _answers(site: Site, issued: list[Tokens]) -> Iterable[tuple[str, Reply]]:
    refreshes = site.burst(
        len(issued),
        site.contract.path("tokens.refresh"),
        method="POST",
        each=lambda i: {"json": {"refresh_token": issued[i].refresh}},
    )
    uses = site.burst(
        len(issued), site.contract.path("recordings.list"), each=lambda i: {"token": issued[i].access}
    )
    yield from (("refresh", reply) for reply in refreshes.replies)
    yield from (("access", reply) for reply in uses.replies)


@control("middleware.auth.tokens", broken_by=(NOT_AGAIN, BEFORE_THE_WRITE, TOKENS_STAY))
def test_tokens_issued_while_their_key_is_revoked_end_with_it(site: Site) -> None:
    """Nothing that a key was issued outlives its revocation, though many clients ask at that moment."""
    outlived = {"refresh": 0, "access": 0}
    for _ in range(ROUNDS):
        issued = _revoked_while_it_issues(site, site.key(), site.key("admin"))
        for kind, reply in _answers(site, issued):
            floor(reply.decided, f"no decision was made on a token: {reply.status or reply.error}")
            outlived[kind] += reply.status not in REFUSED

    assert not outlived["refresh"], f"{outlived['refresh']} refresh tokens outlived their key"
    assert not outlived["access"], f"{outlived['access']} access tokens outlived their key"
