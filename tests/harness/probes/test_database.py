from __future__ import annotations

import sqlite3

import pytest

from harness.errors import ProbeFailed, RuntimeUnavailable
from harness.faults.dependency import Dependency, Faults
from harness.outcome import NotVerified
from harness.probes.database import DatabaseProbe
from harness.probes.inside import run_inside
from harness.runtimes import CannotShow, Completed


@pytest.fixture
def file(plain):
    folder = plain.directory / "data"
    folder.mkdir()
    connection = sqlite3.connect(folder / "panotti.db")
    connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE keys (id, digest); ")
    connection.execute("INSERT INTO keys VALUES (?, ?)", ("one", b"\x01\xff"))
    connection.execute("INSERT INTO keys VALUES (?, ?)", ("needle-in-the-log", None))
    connection.commit()
    yield folder / "panotti.db"
    connection.close()


def writable(file):
    connection = sqlite3.connect(f"file:{file}?mode=rw", uri=True, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        connection.close()
    return True


def test_rows_are_read_where_the_server_runs(plain, file, recorder):
    database = DatabaseProbe(plain)

    assert database.rows("SELECT * FROM keys WHERE id = ?", "one") == [{"id": "one", "digest": "01ff"}]
    assert database.count("keys") == 2
    assert database.tables() == {"keys"}
    assert recorder.total == 3


def test_plain_text_is_found_in_raw_files_and_in_the_write_ahead_log(plain, file):
    database = DatabaseProbe(plain)

    assert any(
        name.endswith("panotti.db-wal") for name in database.files_with("needle-in-the-log", b"\x00\x99\x98")
    )
    assert database.files_with("no such value") == []


def test_a_target_without_the_file_is_not_verified(plain):
    for probe in (
        lambda: DatabaseProbe(plain).tables(),
        lambda: DatabaseProbe(plain).files_with("x"),
        Dependency(plain, "database").lose,
        Dependency(plain, "counters").hang,
    ):
        with pytest.raises(NotVerified, match="has no file"):
            probe()


def test_a_wrong_query_is_the_probes_failure(plain, file):
    with pytest.raises(ProbeFailed, match="no such table"):
        DatabaseProbe(plain).count("nothing")


def test_a_runtime_without_commands_is_not_verified(plain, monkeypatch):
    def refuse(*_, **__):
        raise CannotShow("an external target runs no commands")

    monkeypatch.setattr(plain, "execute", refuse)
    with pytest.raises(NotVerified, match="runs no commands"):
        run_inside(plain, "read_sqlite")


def test_a_lost_database_is_away_and_comes_back_whole(plain, file, recorder):
    dependency = Dependency(plain, "database")
    with dependency.lost():
        assert not file.exists()
        file.write_bytes(b"made by the server meanwhile")
        assert dependency.state == "lost"

    assert DatabaseProbe(plain).count("keys") == 2
    assert writable(file)
    assert "fault: database is lost" in [item.subject for item in recorder.telling()]


def test_a_hung_database_lets_nobody_write_until_it_is_given_back(plain, file):
    dependency = Dependency(plain, "database")
    with dependency.hung():
        assert not writable(file)

    assert writable(file)
    assert dependency.state == "present"


def test_all_faults_are_taken_back_at_once(plain, file):
    faults = Faults(plain)
    faults.dependency("database").hang()
    assert faults.dependency("database").state == "hung"

    faults.restore()
    faults.restore()

    assert writable(file)


def test_a_fault_that_does_not_take_hold_decides_nothing(plain, file, monkeypatch):
    monkeypatch.setattr(plain, "execute", lambda *_, **__: Completed(status=0, stdout="True\n", stderr=""))
    with pytest.raises(NotVerified, match="fault not applied"):
        Dependency(plain, "database").lose()


def test_what_does_not_come_back_is_an_error(plain, file, monkeypatch):
    dependency = Dependency(plain, "database")
    dependency.lose()
    monkeypatch.setattr(plain, "execute", lambda *_, **__: Completed(status=0, stdout="False\n", stderr=""))
    with pytest.raises(ProbeFailed, match="did not come back"):
        dependency.restore()


class Freezing:
    """A container beside the server, which Docker freezes only at the try `at`."""

    service = "postgres"

    def __init__(self, at):
        self.at = at
        self.tries = 0

    def pause(self):
        self.tries += 1
        if self.tries < self.at:
            raise RuntimeUnavailable("pausing a container: unable to freeze", remedy="")

    def resume(self):
        self.at = self.tries + 1

    def attributes(self):
        return {"State": {"Paused": self.tries >= self.at}}


def test_a_container_that_docker_freezes_only_later_is_hung(plain, monkeypatch):
    part = Freezing(at=3)
    monkeypatch.setattr(plain, "parts", lambda _: (part,), raising=False)
    with Dependency(plain, "database").hung():
        assert part.tries == 3


def test_a_container_that_cannot_be_frozen_decides_nothing(plain, monkeypatch):
    monkeypatch.setattr(plain, "parts", lambda _: (Freezing(at=9),), raising=False)
    with pytest.raises(NotVerified, match="fault not applied: the database at postgres could not be locked"):
        Dependency(plain, "database").hang()
