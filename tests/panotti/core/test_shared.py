"""The servers that replicas share: hung, restarted, refused, migrated by several at once."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest

from panotti.backends import choose
from panotti.errors import StartError
from panotti.settings import Settings
from panotti.startup import await_dependencies
from panotti.storage.migrate import migrate
from panotti.storage.phases import Phase
from panotti.storage.postgresql import PostgreSQLStore
from panotti.storage.revisions import newest
from tests.panotti.conftest import Shared
from tests.panotti.core.client import Client
from tests.panotti.core.conftest import SECRETS, Serve, secrets_for
from tests.panotti.servers import USER, Network, PostgreSQL

ADMIN = {"X-API-Key": SECRETS.api_key}
WRITE = {"recordingId": "r1"}
QUICK = {"dependency_timeout": 0.5, "dependency_interval": 0.05}


@pytest.fixture
def backend(shared: Shared) -> Shared:
    """Shared alone."""
    return shared


def await_readiness(server: Client, status: int) -> None:
    deadline = time.monotonic() + 20
    while server.get("/health/ready").status_code != status:
        assert time.monotonic() < deadline, f"readiness never became {status}"


@pytest.mark.parametrize("name", ["database", "counters"])
def test_a_hung_server_is_seen_refused_for_and_forgiven(serve: Serve, shared: Shared, name: str) -> None:
    server = serve(**QUICK)
    assert server.post("/api/recording-started", headers=ADMIN, json=WRITE).status_code == 200
    await_readiness(server, 200)

    with (shared.postgresql if name == "database" else shared.redis).paused():
        await_readiness(server, 503)
        detail = server.get("/health/detail", headers=ADMIN).json()
        assert detail["dependencies"][name]["reason"]
        assert server.get("/health/live").status_code == 200
        reply = server.post("/api/recording-started", headers=ADMIN, json=WRITE)
        assert reply.status_code == 503
        assert int(reply.headers["retry-after"]) >= 1

    await_readiness(server, 200)
    assert server.post("/api/recording-started", headers=ADMIN, json=WRITE).status_code == 200


def test_a_restarted_database_costs_no_later_request(serve: Serve, shared: Shared) -> None:
    server = serve(**QUICK)
    server.post("/api/recording-started", headers=ADMIN, json=WRITE)

    shared.postgresql.stop()
    shared.postgresql.start()
    await_readiness(server, 200)

    assert server.post("/api/recording-started", headers=ADMIN, json=WRITE).status_code == 200


def test_a_lost_connection_costs_no_request(
    serve: Serve, shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panotti.storage.postgresql.IDLE", 0.0)
    network = Network(shared.postgresql.port)
    through = f"postgresql://{USER}@127.0.0.1:{network.port}/{shared.database}"
    server = serve(**QUICK, database_url=through)
    assert server.post("/api/recording-started", headers=ADMIN, json=WRITE).status_code == 200

    network.lose()

    assert server.post("/api/recording-started", headers=ADMIN, json=WRITE).status_code == 200
    network.close()


def test_a_retry_on_another_replica_has_one_effect(serve: Serve) -> None:
    replicas = [serve(), serve()]
    for replica in replicas:
        # FastAPI builds its routes at the first request, and hushes warnings meanwhile, which only one
        # thread of a process can do: replicas that are processes have one each.
        replica.get("/api/recordings", headers=ADMIN)
    headers = ADMIN | {"Idempotency-Key": "0123456789abcdef"}

    def send(number: int) -> httpx.Response:
        return replicas[number % 2].post("/api/recording-started", headers=headers, json=WRITE)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(send, range(8)))

    stored = [reply for reply in replies if reply.status_code == 200]
    assert {reply.status_code for reply in replies} <= {200, 409}, [reply.text for reply in replies]
    assert len({reply.text for reply in stored}) == 1
    listed = replicas[0].get("/api/recordings", headers=ADMIN).json()
    assert json.dumps(listed).count('"r1"') == 1


def test_the_quota_holds_over_replicas(serve: Serve) -> None:
    replicas = [serve(rate_key_quota=5), serve(rate_key_quota=5)]

    codes = [replicas[n % 2].get("/version", headers=ADMIN).status_code for n in range(8)]

    assert codes.count(200) == 5
    assert codes.count(429) == 3


def test_servers_that_start_together_migrate_once(
    postgresql: PostgreSQL, empty_postgresql: str, shared: Shared
) -> None:
    store = PostgreSQLStore(replace(shared.address, database=empty_postgresql), timeout=10, pool=1)
    outcomes = []
    threads = [threading.Thread(target=lambda: outcomes.append(migrate(store))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [done.after for done in outcomes] == [newest()] * 4
    assert [done.before for done in outcomes].count(None) == 1


@pytest.mark.parametrize(("phase", "serves"), [("expand", True), ("contract", False), (None, False)])
def test_a_newer_schema_is_served_on_only_if_it_expands(
    shared: Shared, phase: str | None, serves: bool
) -> None:
    store = PostgreSQLStore(shared.address, timeout=10, pool=1)
    shared.sql("UPDATE migrations SET version_num = '9999'")
    if phase:
        shared.sql(f"INSERT INTO schema_history VALUES ('9999', '{phase}', 0)")

    if serves:
        assert migrate(store).after == "9999"
    else:
        with pytest.raises(StartError, match=rf"9999.*{newest()}"):
            migrate(store, Phase.EXPAND)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            {"database_url": "postgresql://panotti@127.0.0.1:1/panotti"},
            "database_url: postgresql://panotti@127",
        ),
        ({"redis_url": "redis://127.0.0.1:1/0"}, "redis_url: redis://127.0.0.1:1/0"),
    ],
)
def test_a_server_that_does_not_come_ends_the_start(
    shared: Shared, change: dict[str, str], named: str
) -> None:
    settings = Settings(**{"profile": "testing", "startup_timeout": 0.1, **shared.settings, **change})

    with pytest.raises(StartError) as refusal:
        await_dependencies(settings, choose(settings, secrets_for(shared)))

    assert named in str(refusal.value)


@pytest.mark.parametrize("name", ["database_password", "redis_password"])
def test_a_wrong_password_ends_the_start_at_once(shared: Shared, name: str) -> None:
    settings = Settings(**{"profile": "testing", "startup_timeout": 600, **shared.settings})
    secrets = replace(secrets_for(shared), **{name: "x" * 40})

    with pytest.raises(StartError, match=name):
        await_dependencies(settings, choose(settings, secrets))
