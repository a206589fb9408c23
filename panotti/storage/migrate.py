"""Bringing the database to a release's schema, by expand and contract.

An expanding migration adds what the release before it does not mind; a contracting one removes what only that
release still uses. A start applies what expands; contracting is a decision, after the last old server.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from panotti.storage.database import Store
from panotti.storage.phases import Phase
from panotti.storage.revisions import current, newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """The schema's revision before (None: there was none) and after."""

    before: str | None
    after: str


def migrate(store: Store, phase: Phase = Phase.EXPAND) -> Migrated:
    """Creates or upgrades the database: what expands, or with CONTRACT everything.

    Raises StartError naming the database and both revisions when this release cannot serve on the result.
    """
    return store.exclusively(partial(_migrate, place=store.place, phase=phase))


def _migrate(connection: Connection, *, place: str, phase: Phase) -> Migrated:
    before = current(connection)
    if before == newest():
        return Migrated(before=before, after=before)
    # Imported here: Alembic is a sixth of what a start imports, and most find nothing to do.
    from panotti.storage.upgrade import upgrade

    return Migrated(before=before, after=upgrade(connection, before, place=place, phase=phase))
