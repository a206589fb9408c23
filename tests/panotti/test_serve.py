"""`python -m panotti serve`: the whole server as one starts it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.panotti.edge.conftest import PATIENCE, until
from tests.panotti.edge.nursery import ROOT


@dataclass
class Served:
    """A server under way, and what it wrote."""

    process: subprocess.Popen[bytes]
    log: Path
    said: Path

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_bytes().splitlines() if line.endswith(b"}"))
        return [line for line in lines if line["event"] == name]

    def url(self, start: int = 1) -> str:
        """Where it answers, once it has started that often."""

        def answering() -> str | None:
            assert self.process.poll() is None, self.log.read_text() + self.said.read_text()
            started = self.events("started")
            if len(started) < start:
                return None
            address = str(started[start - 1]["address"])
            try:
                httpx.get(f"{address}/health/live", trust_env=False)
            except httpx.ConnectError:
                return None
            return address

        found: str = until(answering, "the server answering")
        return found

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE)


Serve = Callable[..., Served]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start it with these settings; `code` is where its package lies."""
    begun: list[Served] = []

    def begin(*, code: Path = ROOT, **settings: object) -> Served:
        log, said = tmp_path / f"{len(begun)}.log", tmp_path / f"{len(begun)}.err"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PANOTTI", "API"))}
        values = {"api_port": 0, "data_dir": tmp_path / "data", **settings}
        given = {f"PANOTTI_{key.upper()}": str(value) for key, value in values.items()}
        with log.open("wb") as out, said.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "panotti", "serve"],
                stdout=out,
                stderr=err,
                env={**inherited, **given, "PYTHONPATH": str(code)},
                cwd=tmp_path,
            )
        begun.append(Served(process, log, said))
        return begun[-1]

    yield begin
    for served in begun:
        if served.process.poll() is None:
            served.stop()


def test_it_migrates_serves_and_ends_with_0(serve: Serve, tmp_path: Path) -> None:
    served = serve()

    health = httpx.get(f"{served.url()}/health", trust_env=False)

    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (tmp_path / "data" / "panotti.db").is_file()
    key = served.said.read_text().rpartition(": ")[2].strip()
    started = httpx.post(
        f"{served.url()}/api/recording-started",
        headers={"X-API-Key": key},
        json={"recordingId": "r-1"},
        trust_env=False,
    )
    assert started.json() == {"status": "success", "recording_id": "r-1"}
    assert key not in served.log.read_text()
    assert served.stop() == 0
    assert len(served.events("stopped")) == 1


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"workers": "many"}, "workers"),
        ({"data_dir": "/proc/none"}, "data_dir: the database"),
        ({"api_host": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
        ({"tls_cert_file": "/none.pem", "tls_key_file": "/none.key"}, "tls_cert_file"),
    ],
)
def test_what_prevents_it_is_one_message_and_status_2(
    serve: Serve, settings: dict[str, object], told: str
) -> None:
    served = serve(**settings)

    assert served.process.wait(PATIENCE) == 2
    said = served.said.read_text()
    assert "refused to start" in said
    assert told in said.lower()
    assert "Traceback" not in said


def test_in_development_a_changed_source_starts_it_again(serve: Serve, tmp_path: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(ROOT / "panotti", code / "panotti", ignore=shutil.ignore_patterns("__pycache__"))
    served = serve(code=code, reload="on")
    first = served.url()
    # Later than any file's time, so that a coarse clock of the file system cannot hide the change.
    os.utime(code / "panotti" / "clock.py", (2**31, 2**31))

    again = served.url(start=2)

    assert httpx.get(f"{again}/health", trust_env=False).status_code == 200
    assert first.startswith("http://127.0.0.1:")
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(PATIENCE) == 0
