"""Applying the migrations that a database lacks, with Alembic: imported only where one is lacking."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import takewhile

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, insert, select

from panotti.errors import StartError
from panotti.storage.models import schema_history
from panotti.storage.phases import Phase
from panotti.storage.revisions import MIGRATIONS


def upgrade(connection: Connection, current: str | None, *, place: str, phase: Phase) -> str:
    """Apply what `phase` allows of the migrations after `current`; the revision that the schema has then.

    Raises StartError naming `place` and both revisions when this release cannot serve on the result.
    """
    history = _history()
    schema_history.create(connection, checkfirst=True)
    known = [script.revision for script in history]
    if current is not None and current not in known:
        _insist_on_expansions(connection, place, current, known)
        return current
    pending = history[known.index(current) + 1 :] if current else history
    # Nobody serves on a database that is empty.
    chosen = pending if phase is Phase.CONTRACT or current is None else _expanding(pending, place, current)
    if chosen:
        _apply(connection, chosen)
    return chosen[-1].revision if chosen else current or known[-1]


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
