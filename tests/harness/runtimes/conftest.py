"""A workspace, a small application of its own as a target, and a small image where Docker answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.records import Event
from harness.runtimes.base import base_image
from harness.runtimes.engine import Engine, docker_answers
from harness.target import Source, parse_target
from harness.workspace import Workspace

needs_docker = pytest.mark.skipif(not docker_answers(), reason="Docker does not answer")

APPLICATION = """
import json, os, sys

print("starting", flush=True)
if os.environ.get("FAIL"):
    sys.exit("panic: " + os.environ["FAIL"])


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    ready = scope["path"] != "/ready" or os.environ.get("NEVER_READY") is None
    body = {"client": scope["client"][0], "scheme": scope["scheme"], "pid": os.getpid()}
    await send({"type": "http.response.start", "status": 200 if ready else 503, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""
CONTRACT = """
name = "small"

[launch]
app = "small:app"
ready_path = "/ready"
ready_within_s = 90.0
secrets = { api_key = "random" }
api_key = { secret = "api_key" }

[launch.env]
SECRETS = "${secrets}"
DATA = "${data}"
DENIED = "${denied}"

[launch.tls]
profiles = ["production"]
env = { CERT = "${tls_cert}" }
"""


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    with Workspace.open() as opened:
        yield opened


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.py").write_text(APPLICATION, encoding="utf-8")
    (folder / "requirements.txt").write_text("uvicorn\n", encoding="utf-8")
    (folder / "contract.toml").write_text(CONTRACT, encoding="utf-8")
    target = parse_target(f"source:{folder}")
    assert isinstance(target, Source)
    return target


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def small_image(tmp_path: Path) -> str:
    with Workspace.open() as opened:
        engine = Engine(opened.run_id)
        name = base_image(engine, opened, lambda _: None)
        engine.close()
    return name
