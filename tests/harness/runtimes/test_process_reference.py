"""The reference server as local processes, as the checks will meet it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.defects import edit, secret
from harness.runtimes import Deployment, Specification, process
from harness.runtimes.process import ProcessRuntime, free_ports
from harness.target import parse_target
from harness.workspace import Workspace
from tests.harness.runtimes.asking import shown_fingerprint

TESTING = Specification(profile="testing")
PRODUCTION = Specification(profile="production")


@pytest.fixture(scope="module")
def reference(workspace: Workspace) -> Iterator[ProcessRuntime]:
    made = ProcessRuntime(parse_target("reference"), workspace, lambda _: None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def production(reference: ProcessRuntime) -> Deployment:
    return reference.start(PRODUCTION)


def test_production_speaks_tls_and_has_a_plain_door(production: Deployment) -> None:
    assert production.base_url.startswith("https://")
    assert production.plain_url is not None
    assert production.host_name == "panotti.test"
    assert set(production.secrets) == {"api_key", "token_key", "session_key"}


def test_its_paths_are_there(production: Deployment) -> None:
    for name in ("data", "state", "code", "config", "secrets"):
        assert Path(production.path(name)).exists()


def test_a_certificate_is_replaced_in_the_running_server(production: Deployment) -> None:
    before = shown_fingerprint(production.base_url)

    fresh = production.replace_certificate()

    deadline = time.monotonic() + 20
    while (shown := shown_fingerprint(production.base_url)) == before and time.monotonic() < deadline:
        continue
    assert shown == fresh


def test_a_missing_secret_stops_its_start(reference: ProcessRuntime) -> None:
    failure = reference.try_start(replace(PRODUCTION, variation=secret("api_key", None)), timeout_s=30)

    assert failure is not None
    assert failure.status == 2
    assert "api_key" in failure.output


def test_an_edit_runs_in_place_of_the_code(reference: ProcessRuntime) -> None:
    patched = edit("shout", "panotti/__main__.py", "from panotti", "print('patched')\nfrom panotti")

    deployment = reference.start(replace(TESTING, variation=patched))

    assert deployment.logs().startswith("patched\n")
    assert "overlay" in deployment.path("code")


def test_the_reference_gets_another_port_when_its_own_was_taken(
    reference: ProcessRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([[taken.getsockname()[1], 0]])
        monkeypatch.setattr(process, "free_ports", lambda count: next(ports, None) or free_ports(count))

        deployment = reference.start(replace(TESTING, instance="port-taken"))

        assert not deployment.base_url.endswith(f":{taken.getsockname()[1]}")
        deployment.stop()
