"""The first start of the images' stores: every password that the server may be given is theirs afterwards."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis

from tests.panotti.servers import POSTGRESQL, USER, Server

IMAGES = Path("deploy/images")
PASSWORDS = ['it\'s "a" b#c\\d\\', "'; DROP ROLE panotti; -- $(id)`id`${HOME}"]


@pytest.fixture
def store() -> Iterator[Server]:
    server = Server("image")
    server.options["env"] = {"PATH": f"{POSTGRESQL}:{os.environ['PATH']}", "PGDATA": f"{server.folder}/data"}
    (server.folder / "secrets").mkdir()
    yield server
    server.remove()


def _script(store: Server, image: str, name: str, **paths: str) -> Path:
    """A script of the image, with its paths in the folder of the test."""
    text = (IMAGES / image / name).read_text().replace("/run/secrets", f"{store.folder}/secrets")
    for old, new in {"/etc/panotti": str(store.folder), **paths}.items():
        text = text.replace(old, new)
    script = store.folder / name
    script.write_text(text)
    return script


def _start_postgresql(store: Server, password: str) -> None:
    (store.folder / "secrets/database_password").write_text(password)
    (store.folder / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    (store.folder / "postgresql.conf").write_text(
        f"listen_addresses = '127.0.0.1'\nport = {store.port}\nhba_file = '{store.folder}/pg_hba.conf'\n"
        f"unix_socket_directories = '{store.folder}'\nfsync = off\n"
    )
    store.run("sh", _script(store, "postgres", "make"), store.folder / "cluster.tar")
    start = _script(store, "postgres", "start", **{"/var/lib/postgresql/made": str(store.folder)})
    store.launch("sh", start)


@pytest.mark.parametrize("password", PASSWORDS)
def test_postgresql_takes_every_password(store: Server, password: str) -> None:
    _start_postgresql(store, password)

    assert asyncio.run(_user(store, password)) == USER


async def _user(store: Server, password: str) -> object:
    """Who a client with this password is."""
    address = {"host": "127.0.0.1", "port": store.port, "user": USER, "database": USER}
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = await asyncpg.connect(**address, password=password, ssl=False)
        except asyncpg.CannotConnectNowError:
            assert time.monotonic() < deadline, "the database never finished its start"
            await asyncio.sleep(0.1)
            continue
        try:
            return await connection.fetchval("SELECT current_user")
        finally:
            await connection.close()


def test_a_statement_that_fails_leaves_no_cluster(store: Server) -> None:
    with pytest.raises(AssertionError, match="unterminated quoted string"):
        _start_postgresql(store, "two\nlines")
    store.process = None  # it has ended

    assert not (store.folder / "data").exists()


@pytest.mark.parametrize("password", PASSWORDS)
def test_redis_takes_every_password(store: Server, password: str) -> None:
    (store.folder / "secrets/redis_password").write_text(password)
    (store.folder / "redis.conf").write_text(f"bind 127.0.0.1\nport {store.port}\ndir {store.folder}\n")
    store.launch("sh", _script(store, "redis", "start"))

    with redis.Redis(port=store.port, password=password) as client:
        assert client.ping()
    with redis.Redis(port=store.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
