"""The database's promises: waits are bounded, failures have names, and every statement sees its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from panotti.problems import Problem
from panotti.storage.database import Database
from panotti.storage.migrate import migrate
from panotti.storage.models import api_keys

Result = TypeVar("Result")


def on_database(folder: Path, act: Callable[[Database], Awaitable[Result]], timeout: float = 5) -> Result:
    async def run() -> Result:
        database = Database(folder / "panotti.db", timeout=timeout)
        try:
            return await act(database)
        finally:
            await database.close()

    migrate(folder / "panotti.db")
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
