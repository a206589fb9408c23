"""A run that is killed, interrupted, or loses Docker: nothing is left, and the journal is reportable."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import journal
from harness.commands import reporting

from .conftest import LONG, Starter, needs_docker

# How many random moments to kill at, and which ones; the release is checked with ten.
MOMENTS = int(os.environ.get("KILL_MOMENTS", "2"))
SEED = os.environ.get("KILL_SEED", "")
BOTH = ("-p", "testing", "-p", "production")
FORKSERVER, FORKED = b"forkserver/server.py", b"-m\0panotti\0serve"


@needs_docker
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_nothing_is_left_of_a_killed_run(start: Starter, moment: int) -> None:
    seconds = random.Random(f"{SEED} {moment}").uniform(0.1, 7.0)
    run = start(*BOTH, "--runtime", "containers")

    run.watch(seconds)
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.communicate()

    run.look()
    run.assert_gone()


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_nothing_is_left_of_a_killed_run_of_forked_servers(start: Starter, moment: int) -> None:
    seconds = random.Random(f"{SEED} {moment}").uniform(0.1, 7.0)
    run = start(*BOTH, "--runtime", "process")

    run.watch(seconds)
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.communicate()

    run.look()
    run.assert_gone()


@pytest.mark.parametrize("victim", [FORKSERVER, FORKED], ids=["the fork server", "its child"])
def test_a_run_ends_and_clears_away_where_a_fork_server_or_its_child_is_killed(
    start: Starter, victim: bytes
) -> None:
    run = start("-p", "testing", "--runtime", "process")
    run.wait_for("deployment.ready")

    killed = [pid for pid in run.processes() if victim in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    out, err = run.process.communicate(timeout=120)

    assert killed
    assert "Traceback" not in out + err
    assert run.process.returncode == (0 if victim == FORKSERVER else 2), out
    run.assert_gone()


def test_an_interrupted_run_says_so_and_clears_away(start: Starter) -> None:
    run = start("-p", "testing", "--runtime", "process", environment=LONG)
    run.wait_for("deployment.ready")

    run.process.send_signal(signal.SIGINT)
    out, err = run.process.communicate(timeout=30)

    assert run.process.returncode == 2
    assert "Interrupted" in out
    assert "Traceback" not in out + err
    run.assert_gone()
    view = journal.read(run.journal)
    assert "interrupted" in {event.name for event in view.events}
    assert reporting.decided(run.journal).status == 2


def test_a_second_interrupt_ends_it_at_once(start: Starter) -> None:
    run = start("-p", "testing", "--runtime", "process", environment=LONG)
    run.wait_for("deployment.ready")

    run.process.send_signal(signal.SIGINT)
    run.watch(0.3)
    run.process.send_signal(signal.SIGINT)
    out, err = run.process.communicate(timeout=30)

    assert run.process.returncode == 2
    assert "Traceback" not in out + err
    run.assert_gone()
    assert reporting.decided(run.journal).status == 2


@needs_docker
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_topology_is_cleared_away(start: Starter, times: int) -> None:
    run = start("-p", "production", "--runtime", "containers", environment=LONG)
    run.wait_for("deployment.ready")

    for _ in range(times):
        run.process.send_signal(signal.SIGINT)
        run.watch(0.3)
    out, err = run.process.communicate(timeout=120)

    assert run.process.returncode == 2
    assert "Traceback" not in out + err
    run.assert_gone()
    assert reporting.decided(run.journal).status == 2


@needs_docker
def test_docker_that_stops_midway_is_named_and_closes_no_gate_by_itself(
    daemon: Daemon, start: Starter
) -> None:
    run = start("-p", "testing", "--runtime", "containers", environment={"DOCKER_HOST": daemon.url})
    run.wait_for("deployment.ready")

    daemon.stop()
    out, err = run.process.communicate(timeout=60)

    printed = out + err + "".join(log.read_text() for log in run.journal.glob("*.log"))
    assert run.process.returncode == 2, printed
    assert "Docker does not answer" in out
    assert "Traceback" not in printed
    assert reporting.decided(run.journal).status == 2


class Daemon:
    """Docker's daemon behind a socket that can be taken away."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            there.connect("/var/run/docker.sock")
            self._open += [here, there]
            for source, sink in ((here, there), (there, here)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()

    def stop(self) -> None:
        """Take it away, open connections included."""
        self._path.unlink(missing_ok=True)
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of this test's own."""
    one = Daemon(tmp_path / "docker.sock")
    yield one
    one.stop()
