"""Whole runs of the `harness` program in processes of their own, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest

from harness import watchdog
from harness.runtimes.engine import docker_answers
from harness.workspace import DIRECTORY_VARIABLE

MARK = "END_TO_END"
LEFT_BEHIND_S = 15.0
LONG = {"ALIVE_S": "60"}  # of a run that is interrupted: it must not come to its end before, if slowly
CHECKS = """
import os

from harness import control, floor, setting

@control("monitoring.health.service", broken_by=setting(DOCS="true"))
def test_it_is_alive(site):
    '''It is alive for as long as it is looked at.'''
    site.demanded_wait(float(os.environ.get("ALIVE_S", "6")), why="the run is to be disturbed meanwhile")
    floor(site.http.get(site.contract.path("health.live")).ok, "it does not answer")
"""

needs_docker = pytest.mark.skipif(not docker_answers(), reason="Docker does not answer")


@dataclass
class Run:
    """A run under way. tmp: its temporary directory; journal: where it writes."""

    tmp: Path
    journal: Path
    process: subprocess.Popen[str]
    mark: str
    seen: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Remember the run's id once it has one."""
        self.seen |= {path.name.removeprefix("panotti-") for path in self.tmp.glob("panotti-*")}

    def watch(self, seconds: float) -> None:
        """Let it run, for so long at most."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            self.look()
            time.sleep(0.02)
        self.look()

    def wait_for(self, condition: str, seconds: float = 180.0) -> None:
        """Let it run until its journal says so."""
        deadline = time.monotonic() + seconds
        while condition not in self.written():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, f"no {condition} within {seconds} s"
            self.look()
            time.sleep(0.02)
        self.look()

    def written(self) -> str:
        """What all segments of the journal hold by now."""
        return "".join(path.read_text(errors="replace") for path in self.journal.glob("*.jsonl"))

    def processes(self) -> list[int]:
        """Its own, and all that it started."""
        marks = {
            f"{MARK}={self.mark}".encode(),
            *(f"{watchdog.RUN_VARIABLE}={x}".encode() for x in self.seen),
        }
        return [*_processes(marks)]

    def left(self) -> list[str]:
        """What there still is of it: processes, containers, networks, volumes, files."""
        found = [f"file {path}" for path in self.tmp.glob("panotti-*")]
        found += [f"process {pid}" for pid in self.processes()]
        if docker_answers():
            found += list(_docker_objects(self.seen))
        return found

    def assert_gone(self) -> None:
        """Nothing is left 15 s later."""
        deadline = time.monotonic() + LEFT_BEHIND_S
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not left


class Starter:
    """Starts runs of `harness verify` on a suite with one long check."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: list[Run] = []
        self.suites = folder / "project" / "suites"
        self.suites.mkdir(parents=True)
        (self.suites / "test_alive.py").write_text(CHECKS)
        (self.suites.parent / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")

    def __call__(self, *words: str, environment: dict[str, str] | None = None) -> Run:
        mark, tmp = uuid.uuid4().hex, self.folder / f"tmp-{len(self.runs)}"
        tmp.mkdir()
        inherited = {
            k: v for k, v in os.environ.items() if k not in {watchdog.RUN_VARIABLE, DIRECTORY_VARIABLE}
        }
        journal = self.folder / f"journal-{len(self.runs)}"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "harness",
                "verify",
                "--suites",
                str(self.suites),
                "--journal",
                str(journal),
                *words,
            ],
            env={**inherited, "TMPDIR": str(tmp), MARK: mark, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,
        )
        run = Run(tmp, journal, process, mark)
        self.runs.append(run)
        return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    """Start runs; none outlives its test."""
    starter = Starter(tmp_path)
    yield starter
    for run in starter.runs:
        run.look()
        run.process.kill()
        run.process.communicate()
        for run_id in run.seen:
            watchdog.sweep(run_id, run.tmp / f"panotti-{run_id}")


def _heed_ctrl_c() -> None:
    """A shell's background job, such as these tests may be, ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _processes(marks: set[bytes]) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = set((entry / "environ").read_bytes().split(b"\0"))
            except OSError:
                continue
            # A watchdog has a clean environment: it is known by its arguments.
            if marks & environment:
                yield int(entry.name)


def _docker_objects(run_ids: set[str]) -> Iterator[str]:
    client = docker.from_env()
    try:
        for run_id in run_ids:
            filters = {"label": f"{watchdog.RUN_LABEL}={run_id}"}
            yield from (f"container {c.name}" for c in client.containers.list(all=True, filters=filters))
            yield from (f"network {n.name}" for n in client.networks.list(filters=filters))
            yield from (f"volume {v.name}" for v in client.volumes.list(filters=filters))
    finally:
        client.close()
