"""What has expired does not stay in the database: it would fill it, a little with every client."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from harness import control, defect, edit, floor, setting
from harness.site import Site

TTL_S = 15  # long enough for the rows to be counted before they expire
WITHIN_S = 15.0  # from then on
ROWS = 3
KEPT = ("recording", "sqlite_")  # what these tables hold does not expire

CLEANUP, SERVICES = "panotti/storage/cleanup.py", "panotti/services.py"
SHORT = defect(
    "everything that expires does so within seconds",
    setting(
        title="",
        ACCESS_TOKEN_TTL=1,
        REFRESH_TOKEN_TTL=TTL_S,
        SESSION_IDLE_TTL=TTL_S,
        SESSION_ABSOLUTE_TTL=TTL_S,
    ),
    edit("", "panotti/storage/idempotency.py", "KEPT_SECONDS = 86_400", f"KEPT_SECONDS = {TTL_S}"),
    edit("", CLEANUP, "INTERVAL: Final = 5.0", "INTERVAL: Final = 0.5"),
    edit("", CLEANUP, "BATCH: Final = 500", "BATCH: Final = 2"),
)
NEVER = edit("nothing that expired is removed", SERVICES, "        cleaning.start()\n", "")
ONLY_AT_THE_START = edit(
    "what expired is removed at the start, and never again",
    SERVICES,
    "        cleaning.start()\n",
    "        await cleanup.run()\n",
)
KEYS_STAY = edit(
    "expired idempotency keys stay",
    CLEANUP,
    "        while await self._forget():\n",
    "        while False:\n",
)
FAMILIES_STAY = edit(
    "token families stay when their tokens are gone",
    CLEANUP,
    "(token_families.c.created_at < _BEFORE) & ~left",
    '(token_families.c.id == "") & ~left',
)


def _rows(site: Site) -> Mapping[str, int]:
    tables = sorted(table for table in site.database.tables() if not table.startswith(KEPT))
    return {table: site.database.count(table) for table in tables}


@control(
    "middleware.auth.tokens", broken_by=(NEVER, ONLY_AT_THE_START, KEYS_STAY, FAMILIES_STAY), setup=SHORT
)
def test_what_has_expired_leaves_the_database(site: Site) -> None:
    """Tokens, sessions and idempotency keys that have expired are removed while the server serves."""
    key, user = site.key(), site.user()
    before = _rows(site)
    for _ in range(ROWS):
        site.tokens(key)
        site.login(user)
        sent = site.present(key=key, headers={"Idempotency-Key": secrets.token_hex(16)})
        floor(sent.ok, f"a request with an idempotency key was answered {sent.status}")
    grown = {table for table, count in _rows(site).items() if count > before.get(table, 0)}
    floor(grown, "no table holds what was issued: there is nothing that could be removed")

    def left() -> dict[str, int]:
        return {table: count for table, count in _rows(site).items() if table in grown and count}

    gone = site.demanded_wait(
        TTL_S + WITHIN_S, why="what was issued expires and is removed", until=lambda: not left()
    )
    assert gone, f"{WITHIN_S:g} s after it expired it is still there: {left()}"
    floor(site.present(key=key).ok, "the server does not serve any more")
