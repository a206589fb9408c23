"""Readiness follows the dependencies; liveness follows nothing; the reasons are for the administrator."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from panotti.background import Recurring
from panotti.health import InThread, Monitor
from tests.panotti.core.client import Client
from tests.panotti.core.conftest import SECRETS, Serve


@pytest.fixture
def backend() -> None:
    """Files: these tests lock and rename them."""


ADMIN = {"X-API-Key": SECRETS.api_key}
WRITE = ("/api/recording-started", {"recordingId": "r1"})
QUICK = {"dependency_timeout": 0.2, "dependency_interval": 0.02}


def await_readiness(server: Client, status: int) -> None:
    for _ in range(1000):
        if server.get("/health/ready").status_code == status:
            return
    pytest.fail(f"readiness never became {status}")


@contextmanager
def locked(file: Path) -> Iterator[None]:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def renamed(file: Path) -> Iterator[None]:
    away = file.with_suffix(".away")
    file.rename(away)
    try:
        yield
    finally:
        away.rename(file)


def test_a_whole_server_is_healthy(server: Client) -> None:
    for path in ("/health", "/health/live", "/health/ready", "/health/startup"):
        reply = server.get(path)
        assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_the_detail_names_what_there_is(server: Client) -> None:
    detail = server.get("/health/detail", headers=ADMIN).json()

    assert detail["status"] == "ok"
    assert detail["dependencies"] == {"database": {"status": "ok"}, "counters": {"status": "ok"}}
    assert detail["thread_pool"] == {"size": 8, "busy": 0, "waiting": 0}
    assert detail["worker"]["pid"] > 0


@pytest.mark.parametrize("loss", [locked, renamed])
@pytest.mark.parametrize(("name", "place"), [("database", "panotti.db"), ("counters", "state/counters.db")])
def test_a_lost_dependency_flips_readiness_and_back(
    serve: Serve, tmp_path: Path, name: str, place: str, loss: type[contextmanager]
) -> None:
    server = serve(**QUICK)

    with loss(tmp_path / place):
        await_readiness(server, 503)
        assert server.get("/health/ready").json() == {"status": "unavailable"}
        assert server.get("/health/live").status_code == 200
        detail = server.get("/health/detail", headers=ADMIN).json()
        assert detail["status"] == "unavailable"
        assert detail["dependencies"][name]["reason"]
        others = [found for key, found in detail["dependencies"].items() if key != name]
        assert others == [{"status": "ok"}]

    await_readiness(server, 200)


@pytest.mark.parametrize("loss", [locked, renamed])
def test_a_write_without_a_database_is_refused_and_works_again(
    serve: Serve, tmp_path: Path, loss: type[contextmanager]
) -> None:
    server = serve(**QUICK)
    assert server.post(WRITE[0], headers=ADMIN, json=WRITE[1]).status_code == 200

    with loss(tmp_path / "panotti.db"):
        reply = server.post(WRITE[0], headers=ADMIN, json=WRITE[1])
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) >= 1
        assert reply.headers["content-type"] == "application/problem+json"

    assert server.post(WRITE[0], headers=ADMIN, json=WRITE[1]).status_code == 200


def test_a_deleted_database_is_not_written_to_nor_made_anew(serve: Serve, tmp_path: Path) -> None:
    server = serve(**QUICK)
    file = tmp_path / "panotti.db"
    file.unlink()

    assert server.post(WRITE[0], headers=ADMIN, json=WRITE[1]).status_code == 503
    assert server.get("/api/recordings", headers={"X-API-Key": "pnk_x"}).status_code == 503
    assert not file.exists()


def test_a_full_disk_is_named(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("panotti.storage.sqlite.PRAGMAS", ("synchronous=FULL", "max_page_count=1"))
    server = serve()

    reply = server.post(
        WRITE[0],
        headers=ADMIN,
        json={"recordingId": "r1", "metadata": {str(n): "x" * 8000 for n in range(8)}},
    )

    assert reply.status_code == 507
    assert server.get("/api/recordings", headers=ADMIN).json()["recordings"] == []


def test_a_hanging_dependency_hangs_nobody_and_is_asked_once() -> None:
    release, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        release.wait()

    async def watch() -> list[str | None]:
        monitor = Monitor({"store": InThread("store", hang)}, timeout=0.01, interval=60)
        reasons = []
        for _ in range(3):
            await monitor.ask()
            reasons.append(monitor.statuses["store"].reason)
        release.set()
        while monitor.statuses["store"].reason is not None:
            await monitor.ask()
        return reasons

    reasons = asyncio.run(watch())

    assert reasons == ["no answer within 0.01 s", *["an earlier probe still hangs"] * 2]
    assert len(asked) == 2


def test_before_the_first_answer_nothing_is_ready() -> None:
    assert not Monitor({"store": InThread("store", print)}, timeout=1, interval=1).ready


class Failing:
    """A probe that cannot be asked, or whose wait was cancelled, so many times."""

    def __init__(self, error: BaseException, times: int) -> None:
        self.error, self.left = error, times

    async def ask(self) -> str | None:
        self.left -= 1
        if self.left >= 0:
            raise self.error
        return None

    async def close(self) -> None:
        """Nothing is kept."""


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), asyncio.CancelledError()], ids=repr
)
def test_a_look_that_fails_is_not_the_last(error: BaseException) -> None:
    async def watch() -> list[bool]:
        probe = Failing(asyncio.CancelledError(), 0)
        monitor = Monitor({"store": probe}, timeout=1, interval=0.01)
        await monitor.start()
        ready = [monitor.ready]
        probe.error, probe.left = error, 3
        while probe.left > -1:
            await asyncio.sleep(0.01)
        ready.append(monitor.ready)
        await asyncio.wait_for(monitor.stop(), 5)
        return ready

    assert asyncio.run(watch()) == [True, True]


def test_work_that_fails_is_logged_and_done_again(capfd: pytest.CaptureFixture[str]) -> None:
    done = []

    async def work() -> None:
        done.append(1)
        if len(done) == 1:
            raise RuntimeError("broken")

    async def run() -> None:
        recurring = Recurring("sweep", work, interval=0.01)
        recurring.start()
        while len(done) < 3:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(recurring.stop(), 5)

    asyncio.run(run())

    lines = [line for line in capfd.readouterr().out.splitlines() if "background_task_failed" in line]
    assert len(lines) == 1
    assert '"task":"sweep"' in lines[0]
    assert "RuntimeError: broken" in lines[0]


def test_what_was_seen_long_ago_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def watch() -> list[bool]:
        monitor = Monitor({"store": Failing(RuntimeError(), 0)}, timeout=1, interval=1)
        await monitor.ask()
        ready = [monitor.ready]
        now = time.monotonic()
        monkeypatch.setattr("panotti.health.monotonic", lambda: now + 60)
        ready.append(monitor.ready)
        assert monitor.statuses["store"].reason == "not asked for 60 s"
        return ready

    assert asyncio.run(watch()) == [True, False]
