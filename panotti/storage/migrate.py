"""Bringing the database to the newest schema, in process, before any worker exists."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config

from panotti.errors import StartError

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT = 30


def migrate(database_file: Path) -> None:
    """Creates or upgrades the database. Raises StartError naming the file when it cannot."""
    try:
        database_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with sqlite3.connect(database_file, timeout=BUSY_TIMEOUT) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()
        database_file.chmod(0o600)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["database"] = str(database_file.absolute())
        command.upgrade(config, "head")
    except (OSError, sqlite3.Error) as error:
        raise StartError([f"data_dir: the database {database_file} cannot be opened: {error}"]) from error
