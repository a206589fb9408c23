"""Refresh tokens: each is good once, and its reuse ends everything that came of the same issue."""

from __future__ import annotations

from harness import control, defect, edit, floor
from harness.credentials import tokens_in
from harness.principals import Tokens
from harness.probes.reply import Reply
from harness.site import Site

REFUSED = (401, 403)

REFRESH = "panotti/identity/refresh.py"
FAMILIES = "panotti/storage/families.py"
USED = '            if token["used_at"] is not None:\n'
FOUND = "            token = await families.find_token(connection, digest)\n"

REUSE_ACCEPTED = edit("a refresh token is good more than once", REFRESH, USED, "            if False:\n")
FAMILY_LIVES = edit(
    "reuse is refused, and nothing more",
    REFRESH,
    '                await families.revoke(connection, token["family_id"])\n                return None\n',
    "                return None\n",
)
ACCESS_LIVES = defect(
    "access tokens outlive their family",
    edit(
        "",
        "panotti/identity/authenticator.py",
        "            row = await families.find(connection, claims.family)\n",
        "            row = await families.find(connection, claims.family, revoked=True)\n",
    ),
    edit(
        "",
        FAMILIES,
        "async def find(connection: AsyncConnection, family_id: str) -> RowMapping | None:\n"
        '    """The family unless it is revoked."""\n',
        "async def find(connection, family_id, revoked=False):\n"
        "    if revoked:\n"
        "        every = select(token_families).where(token_families.c.id == family_id)\n"
        "        return (await connection.execute(every)).mappings().one_or_none()\n",
    ),
)
SAME_AGAIN = defect(
    "a refresh gives the same refresh token again",
    edit("", REFRESH, "            await families.spend_token(connection, digest)\n", ""),
    edit(
        "",
        REFRESH,
        'return self._pair(caller, family["id"], refresh)',
        'return self._pair(caller, family["id"], presented)',
    ),
)
LOOKED_UP_BEFORE = edit(
    "whether a token was used is looked up before the write begins",
    REFRESH,
    "        async with self._database.writing() as connection:\n"
    + FOUND
    + "            if token is None:\n",
    "        async with self._database.reading() as connection:\n"
    + FOUND
    + "        async with self._database.writing() as connection:\n            if token is None:\n",
)
NOT_REVOKED = edit(
    "a revocation is answered and not done",
    REFRESH,
    "            if token is not None:\n                await families.revoke(",
    "            if token is None:\n                await families.revoke(",
)


def _refresh(site: Site, tokens: Tokens) -> Reply:
    path = site.contract.path("tokens.refresh")
    reply = site.http.post(path, json={"refresh_token": tokens.refresh})
    floor(reply.decided, f"no decision was made on a refresh token: {reply.status or reply.error}")
    return reply


def _issued(site: Site) -> Tokens:
    """Tokens that were just seen to work."""
    site.contract.path("tokens.refresh")
    tokens = site.tokens()
    floor(site.present(token=tokens).ok, "an access token was not accepted when it was new")
    return tokens


def _renewed(site: Site, tokens: Tokens) -> Tokens:
    reply = _refresh(site, tokens)
    assert reply.ok, f"an unused refresh token was answered {reply.status or reply.error}"
    return tokens_in(reply)


@control("middleware.auth.tokens", broken_by=SAME_AGAIN)
def test_a_refresh_rotates(site: Site) -> None:
    """A refresh gives new tokens, and they work (RFC 9700 4.14.2)."""
    first = _issued(site)
    second = _renewed(site, first)
    third = _renewed(site, second)

    refreshes = {first.refresh, second.refresh, third.refresh}
    assert len(refreshes) == 3, "a refresh gave a refresh token that was there before"
    assert len({first.access, second.access, third.access}) == 3, "a refresh gave the same access token"
    assert site.present(token=third).ok, "the new access token is not accepted"


@control("middleware.auth.tokens", broken_by=(REUSE_ACCEPTED, FAMILY_LIVES, ACCESS_LIVES))
def test_reuse_of_a_refresh_token_ends_its_family(site: Site) -> None:
    """A refresh token used twice was stolen: all that came of it ends, newest tokens included."""
    first = _issued(site)
    newest = _renewed(site, first)
    floor(site.present(token=newest).ok, "the new access token was not accepted before the reuse")
    bystander = _issued(site)

    reused = _refresh(site, first)
    assert reused.status in REFUSED, f"a used refresh token was answered {reused.status or reused.error}"
    assert _refresh(site, newest).status in REFUSED, "the newest refresh token outlived the reuse"
    for tokens in (first, newest):
        status = site.present(token=tokens).status
        assert status in REFUSED, f"an access token of the family was answered {status} after the reuse"
    assert site.present(token=bystander).ok, "the reuse ended another family"


@control("middleware.auth.tokens", broken_by=(LOOKED_UP_BEFORE, REUSE_ACCEPTED))
def test_racing_refreshes_have_one_winner(site: Site) -> None:
    """Of many simultaneous uses of a refresh token at most one is answered with tokens."""
    tokens, path = _issued(site), site.contract.path("tokens.refresh")
    burst = site.burst(16, path, method="POST", concurrency=16, json={"refresh_token": tokens.refresh})
    floor(burst.statuses[200], f"no refresh was answered with tokens: {dict(burst.statuses)}")

    assert burst.statuses[200] == 1, f"one refresh token was good {burst.statuses[200]} times"


@control("middleware.auth.tokens", broken_by=(NOT_REVOKED, ACCESS_LIVES))
def test_a_revocation_ends_the_family(site: Site) -> None:
    """Revoking a refresh token ends it and its access tokens (RFC 7009 2.1)."""
    tokens, path = _issued(site), site.contract.path("tokens.revoke")
    reply = site.http.post(path, json={"refresh_token": tokens.refresh})
    floor(reply.ok, f"the revocation was answered {reply.status or reply.error}")

    status = site.present(token=tokens).status
    assert status in REFUSED, f"the access token was answered {status} after its revocation"
    assert _refresh(site, tokens).status in REFUSED, "the refresh token works after its revocation"
