"""The database's promises: waits are bounded, failures have names, and every statement sees its rows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from panotti.problems import Problem
from panotti.storage.database import Database
from panotti.storage.migrate import migrate
from panotti.storage.models import VERSION_TABLE, api_keys, metadata, schema_history
from panotti.storage.revisions import MIGRATIONS
from panotti.storage.sqlite import SQLiteStore

Result = TypeVar("Result")


def on_database(folder: Path, act: Callable[[Database], Awaitable[Result]], timeout: float = 5) -> Result:
    async def run() -> Result:
        database = SQLiteStore(folder / "panotti.db", timeout=timeout).open()
        try:
            return await act(database)
        finally:
            await database.close()

    migrate(SQLiteStore(folder / "panotti.db", timeout=5))
    return asyncio.run(run())


def key(name: str) -> dict[str, object]:
    words = {"principal": "p", "tenant": "t", "role": "reader", "created_at": 0.0}
    return {"id": name, "digest": name.encode(), **words}


def test_a_commit_is_synced_to_the_disk(tmp_path: Path) -> None:
    async def level(database: Database) -> object:
        async with database.writing() as connection:
            return (await connection.execute(text("PRAGMA synchronous"))).scalar()

    full = 2
    assert on_database(tmp_path, level) == full


def test_many_rows_go_in_together_and_come_out(tmp_path: Path) -> None:
    async def act(database: Database) -> list[str]:
        async with database.writing() as connection:
            await connection.execute(insert(api_keys), [key("a"), key("b")])
        async with database.reading() as connection:
            return list((await connection.execute(select(api_keys.c.id).order_by("id"))).scalars())

    assert on_database(tmp_path, act) == ["a", "b"]


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    async def act(database: Database) -> int:
        async def twice() -> None:
            async with database.writing() as connection:
                await connection.execute(insert(api_keys), key("a"))
                await connection.execute(insert(api_keys), key("a"))

        with pytest.raises(IntegrityError):
            await twice()
        async with database.reading() as connection:
            return len((await connection.execute(select(api_keys.c.id))).all())

    assert on_database(tmp_path, act) == 0


def test_no_free_connection_is_503_and_not_a_hang(tmp_path: Path) -> None:
    async def act(database: Database) -> int:
        async with database.writing():
            with pytest.raises(Problem) as caught:
                async with database.writing():
                    pytest.fail("two writers at once")
        return caught.value.status

    assert on_database(tmp_path, act, timeout=0.01) == 503


def test_the_first_schema_can_be_taken_back_and_made_again(tmp_path: Path) -> None:
    file = tmp_path / "panotti.db"
    store = SQLiteStore(file, timeout=5)

    def run(move: Callable[[Config, str], object], revision: str) -> None:
        def work(connection: Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            move(config, revision)

        store.exclusively(work)

    def schema() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(file)) as connection:
            return sorted(
                connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
            )

    migrate(store)
    made = schema()
    run(command.downgrade, "base")
    assert {name for kind, name in schema()} == {VERSION_TABLE, schema_history.name}
    run(command.upgrade, "head")

    assert schema() == made


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    migrate(SQLiteStore(tmp_path / "panotti.db", timeout=5))
    engine = create_engine(f"sqlite:///{tmp_path}/panotti.db", poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})

        assert compare_metadata(context, metadata) == []
