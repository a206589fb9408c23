"""Which revision of the schema this release knows, and which one a database has: told without Alembic."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

from panotti.storage.models import VERSION_TABLE

MIGRATIONS: Final = Path(__file__).parent / "migrations"
# As Alembic makes it.
_VERSIONS: Final = Table(VERSION_TABLE, MetaData(), Column("version_num", String(32)))


@cache
def newest() -> str:
    """The newest revision that this release knows: its module's name begins with it."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def current(connection: Connection) -> str | None:
    """The revision of a database's schema; None: it has none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(_VERSIONS.c.version_num))
    return found
