from __future__ import annotations

import subprocess
import sys

import pytest

from harness.probes.processes import ProcessProbe
from harness.runtimes import Completed

PROGRAM = "import sys; file = open('written', 'w'); print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def server(plain, tmp_path, monkeypatch):
    """A process with a directory of its own, in which the deployment's commands run too."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--argument"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "GIVEN": "value=with signs"},
    )
    process.stdout.readline()

    def execute(argv, *, stdin="", timeout_s=10.0):
        done = subprocess.run(
            [sys.executable, *argv[1:]],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        return Completed(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    monkeypatch.setattr(plain, "execute", execute)
    yield process
    process.communicate()


def test_processes_of_the_same_directory_are_listed(plain, server, tmp_path, recorder):
    (found,) = ProcessProbe(plain).all()

    assert found.pid == server.pid
    assert found.arguments.endswith(b"--argument\0")
    assert found.variables["GIVEN"] == "value=with signs"
    assert found.writes == (str(tmp_path / "written"),)
    assert recorder.total == 1


def test_nothing_of_the_environment_but_its_names_becomes_evidence(plain, server, recorder):
    ProcessProbe(plain).all()

    (seen,) = recorder.telling()
    assert "GIVEN" in str(seen.data)
    assert "with signs" not in str(seen.data)
