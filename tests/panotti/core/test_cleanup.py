"""What has expired leaves the database in small transactions; what may still be used stays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Table, func, insert, select

from panotti.backends import choose_store
from panotti.settings import Settings
from panotti.storage import cleanup
from panotti.storage.cleanup import Cleanup
from panotti.storage.database import Database
from panotti.storage.models import idempotency_keys, refresh_tokens, sessions, token_families, users
from tests.panotti.conftest import Shared
from tests.panotti.core.client import Client
from tests.panotti.core.conftest import SECRETS, Serve, secrets_for

Result = TypeVar("Result")
Act = Callable[[Callable[[Database], Awaitable[Any]]], Any]
TABLES = (idempotency_keys, refresh_tokens, token_families, sessions)
DAY, HOUR = 86_400.0, 3600.0
BACKLOG = 1200  # more than two batches


@pytest.fixture(autouse=True)
def _no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests remove nothing meanwhile."""
    monkeypatch.setattr("panotti.services.INTERVAL", HOUR)


@pytest.fixture
def on_database(server: Client, tmp_path: Path, backend: Shared | None) -> Act:
    """Runs something on the database of the server."""
    del server
    known = backend.settings if backend else {}
    settings = Settings(**{"data_dir": tmp_path, "profile": "testing", **known})

    def act(work: Callable[[Database], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            database = choose_store(settings, secrets_for(backend).database_password).open()
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())

    return act


async def _add(database: Database, name: str, age: float, count: int) -> None:
    """So many rows of everything that were made `age` seconds ago; tokens live for a day."""
    made = time.time() - age
    names = [f"{name}-{n}" for n in range(count)]
    of = {"tenant": "t", "principal": "p", "created_at": made}
    user = {"id": name, "username": name, "password_hash": "", "role": "reader", "tenant": "t"}
    rows: list[tuple[Table, list[dict[str, Any]]]] = [
        (idempotency_keys, [{**of, "key": one, "fingerprint": b"", "answer": b""} for one in names]),
        (token_families, [{**of, "id": one, "key_id": "k", "role": "reader"} for one in names]),
        (
            refresh_tokens,
            [
                {"digest": one.encode(), "family_id": one, "created_at": made, "expires_at": made + DAY}
                for one in names
            ],
        ),
        (users, [{**user, "created_at": made}]),
        (
            sessions,
            [
                {"digest": one.encode(), "user_id": name, "created_at": made, "last_seen_at": made}
                for one in names
            ],
        ),
    ]
    async with database.writing() as connection:
        for table, values in rows:
            await connection.execute(insert(table), values)


async def _counts(database: Database) -> list[int]:
    async with database.reading() as connection:
        return [
            (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in TABLES
        ]


def _cleaned(database: Database) -> Cleanup:
    return Cleanup(database, session_ttl=DAY, access_ttl=HOUR)


def test_a_backlog_goes_and_what_is_in_force_stays(on_database: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "PAUSE", 0.0)

    async def act(database: Database) -> list[list[int]]:
        await _add(database, "old", 2 * DAY, BACKLOG)
        await _add(database, "new", HOUR, 3)
        seen = [await _counts(database)]
        cleaning = _cleaned(database)
        # It begins anywhere in a table: after the second run it has been everywhere.
        for _ in range(2):
            await cleaning.run()
        return [*seen, await _counts(database)]

    assert on_database(act) == [[BACKLOG + 3] * 4, [3] * 4]


def test_a_family_stays_for_as_long_as_its_access_tokens_may_live(on_database: Act) -> None:
    async def act(database: Database) -> list[int]:
        await _add(database, "just-expired", DAY + HOUR / 2, 1)
        cleaning = _cleaned(database)
        for _ in range(2):
            await cleaning.run()
        return await _counts(database)

    assert on_database(act) == [0, 1, 1, 0]


def test_a_start_does_not_wait_for_what_has_piled_up(serve: Serve, on_database: Act) -> None:
    on_database(lambda database: _add(database, "old", 2 * DAY, BACKLOG))

    server = serve()

    assert server.get("/health/ready").status_code == 200
    assert on_database(_counts) == [BACKLOG] * 4


def test_the_server_removes_what_has_expired(
    serve: Serve, on_database: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panotti.services.INTERVAL", 0.01)
    on_database(lambda database: _add(database, "old", 2 * DAY, 1))
    server = serve(access_token_ttl=1)
    deadline = time.monotonic() + 20

    while on_database(_counts) != [0] * 4 and time.monotonic() < deadline:
        time.sleep(0.05)

    assert on_database(_counts) == [0] * 4
    assert server.post("/auth/token", headers={"X-API-Key": SECRETS.api_key}).status_code == 200
