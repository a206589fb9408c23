"""Bringing the database to a release's schema, by expand and contract.

An expanding migration adds what the release before it does not mind; a contracting one removes what only that
release still uses. A start applies what expands; contracting is a decision, after the last old server.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import takewhile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, insert, select

from panotti.errors import StartError
from panotti.storage.database import Store
from panotti.storage.models import VERSION_TABLE, schema_history
from panotti.storage.phases import Phase

MIGRATIONS = Path(__file__).parent / "migrations"


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


@cache
def newest() -> str:
    """The newest revision that this release knows."""
    return _history()[-1].revision


def _migrate(connection: Connection, *, place: str, phase: Phase) -> Migrated:
    history = _history()
    current = _current(connection)
    schema_history.create(connection, checkfirst=True)
    known = [script.revision for script in history]
    if current is not None and current not in known:
        _insist_on_expansions(connection, place, current, known)
        return Migrated(before=current, after=current)
    pending = history[known.index(current) + 1 :] if current else history
    # Nobody serves on a database that is empty.
    chosen = pending if phase is Phase.CONTRACT or current is None else _expanding(pending, place, current)
    if chosen:
        _apply(connection, chosen)
    return Migrated(before=current, after=chosen[-1].revision if chosen else current or newest())


def _expanding(pending: Sequence[Script], place: str, current: str) -> Sequence[Script]:
    chosen = list(takewhile(lambda script: phase_of(script) is Phase.EXPAND, pending))
    beyond = [script.revision for script in pending[len(chosen) :] if phase_of(script) is Phase.EXPAND]
    if beyond:
        blocked = pending[len(chosen)].revision
        raise StartError(
            [
                f"{place}: the schema is at revision {current}, this release needs {beyond[-1]}, and "
                f"{blocked} between them contracts: stop the older release, then run: "
                "panotti migrate --phase contract"
            ]
        )
    return chosen


def _insist_on_expansions(connection: Connection, place: str, current: str, known: Sequence[str]) -> None:
    query = select(schema_history.c.phase, schema_history.c.revision)
    foreign = {row.revision: row.phase for row in connection.execute(query) if row.revision not in known}
    if current not in foreign or set(foreign.values()) != {Phase.EXPAND}:
        raise StartError(
            [
                f"{place}: the schema is at revision {current}, newer than this release, whose newest is "
                f"{known[-1]}: start a release that knows {current}"
            ]
        )


def _apply(connection: Connection, scripts: Sequence[Script]) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, scripts[-1].revision)
    rows = [
        {"revision": script.revision, "phase": phase_of(script), "applied_at": time.time()}
        for script in scripts
    ]
    connection.execute(insert(schema_history), rows)


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    ).get_current_revision()


def phase_of(script: Script) -> Phase:
    """The phase that the migration's module says. Raises StartError when it says none."""
    try:
        return Phase(getattr(script.module, "PHASE", None))  # type: ignore[arg-type]
    except ValueError:
        raise StartError([f"migration {script.path}: PHASE must be expand or contract"]) from None


def _history() -> list[Script]:
    """The migrations, oldest first."""
    return [*ScriptDirectory.from_config(_config()).walk_revisions()][::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
