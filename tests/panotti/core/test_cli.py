"""The command line: documents on stdout, one message and status 2 for a mistake."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from panotti.cli import app
from panotti.errors import StartError
from panotti.storage.migrate import migrate
from panotti.storage.sqlite import SQLiteStore

KEY = "pnk_Zr8qW3nLx0VtB5mYc7JdGf2HsKe9RuTa1PiQoXw4"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize("command", ["serve", "describe", "openapi", "migrate"])
def test_a_mistake_is_one_message_and_status_2(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("PANOTTI_WORKRES", "2")

    result = run(command)

    assert result.exit_code == 2
    assert "refused to start" in result.stderr
    assert "PANOTTI_WORKRES" in result.stderr
    assert "Traceback" not in result.output


def test_describe_and_openapi_print_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", KEY)

    described, api = run("describe"), run("openapi")

    assert json.loads(described.stdout)["profile"] == "development"
    assert "/api/recording-started" in json.loads(api.stdout)["paths"]
    assert KEY not in described.output + api.output


def test_migrate_makes_the_contracts_tables_and_may_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANOTTI_DATA_DIR", str(tmp_path / "new"))

    for _ in range(2):
        assert run("migrate").exit_code == 0

    file = tmp_path / "new" / "panotti.db"
    connection = sqlite3.connect(file)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    assert {"recordings", "recording_events", "migrations"} <= tables
    assert mode == "wal"
    assert file.stat().st_mode & 0o077 == 0


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "panotti.db").mkdir()
    with pytest.raises(StartError, match=r"panotti\.db cannot be opened"):
        migrate(SQLiteStore(tmp_path / "panotti.db", timeout=1))

    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, and never was one\n" * 100)
    with pytest.raises(StartError, match=r"broken\.db cannot be opened"):
        migrate(SQLiteStore(broken, timeout=1))


def test_serve_hands_over_and_ends_with_the_servers_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panotti.supervisor.serve", lambda settings, secrets: 3)

    result = run("serve")

    assert result.exit_code == 3
    assert "API key of this start" in result.stderr
    monkeypatch.setenv("API_KEY", KEY)
    assert "API key" not in run("serve").output
