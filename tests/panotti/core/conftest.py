"""A server in this process, on a database of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from panotti.app import build_app
from panotti.identity.digests import fresh
from panotti.secrets import Secrets, generate
from panotti.settings import Settings
from panotti.storage.migrate import migrate
from panotti.storage.sqlite import SQLiteStore
from tests.panotti.conftest import Shared
from tests.panotti.core.client import Client, running

SECRETS = Secrets(api_key=fresh("pnk"), token_key=generate("token_key"), session_key=generate("session_key"))

Serve = Callable[..., Client]


def secrets_for(backend: Shared | None) -> Secrets:
    """The same secrets in each server of a test, with the passwords of what it uses."""
    if backend is None:
        return SECRETS
    passwords = {"database_password": backend.postgresql.password, "redis_password": backend.redis.password}
    return replace(SECRETS, **passwords)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PANOTTI_") or name in ("API_KEY", "LOG_LEVEL", "API_HOST", "API_PORT"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the newest schema, to be copied: making one takes most of a small test's time."""
    file = tmp_path_factory.mktemp("schema") / "empty.db"
    migrate(SQLiteStore(file, timeout=5))
    return file


@pytest.fixture(params=["embedded", "shared"])
def backend(request: pytest.FixtureRequest) -> Shared | None:
    """What the tests' servers keep their state in: files, or the servers that replicas share.

    A module whose tests reach into the files has a `backend` of its own.
    """
    return request.getfixturevalue("shared") if request.param == "shared" else None


@pytest.fixture
def serve(tmp_path: Path, empty_database: Path, backend: Shared | None) -> Iterator[Serve]:
    """Starts a server with these settings; every one in a test shares the backend, as replicas do."""
    with ExitStack() as started:

        def start(**settings: Any) -> Client:
            known = backend.settings if backend else {}
            chosen = Settings(**{"data_dir": tmp_path, "profile": "testing", **known, **settings})
            if backend is None and not chosen.database_file.exists():
                chosen.database_file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(empty_database, chosen.database_file)
            return started.enter_context(running(build_app(chosen, secrets_for(backend))))

        yield start


@pytest.fixture
def server(serve: Serve) -> Client:
    """A server with the defaults, called without a credential."""
    return serve()


@pytest.fixture
def admin(server: Client) -> dict[str, str]:
    """The headers of the first administrator."""
    del server
    return {"X-API-Key": SECRETS.api_key}


@pytest.fixture
def key_of(server: Client, admin: dict[str, str]) -> Callable[..., dict[str, str]]:
    """Makes a key for a role and returns the headers that present it."""

    def make(role: str, tenant: str = "acme", principal: str | None = None) -> dict[str, str]:
        body = {"principal": principal or f"{tenant}-{role}", "tenant": tenant, "role": role}
        made = server.post("/admin/api-keys", headers=admin, json=body)
        assert made.status_code == 201, made.text
        return {"X-API-Key": made.json()["key"]}

    return make
