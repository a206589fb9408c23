from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from harness.errors import ProbeFailed
from harness.outcome import NotVerified
from harness.probes.server import ServerProbe
from harness.probes.threads import ThreadsProbe
from harness.runtimes import CannotShow

WORK = """
import hashlib, threading
def work():
    while True: hashlib.pbkdf2_hmac("sha256", b"x", b"y", 100_000)
for _ in range(3): threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""


class Ended:
    """A deployment that keeps a record of what it was told, and ends with `status`, if at all."""

    def __init__(self, status=None):
        self.status, self.told = status, []

    def terminate(self):
        self.told.append("terminate")

    def kill(self, pid, number):
        self.told.append((pid, number))

    def wait_exit(self, timeout_s):
        if self.status is None:
            raise ProbeFailed("still runs")
        return self.status


def test_what_was_done_to_the_processes_is_evidence(recorder):
    deployment = Ended(0)
    server = ServerProbe(deployment)
    server.terminate()
    server.kill(12)

    assert server.exit_status(1) == 0
    assert deployment.told == ["terminate", (12, signal.SIGKILL)]
    assert recorder.total == 3


def test_a_server_that_still_runs_has_no_status():
    assert ServerProbe(Ended()).exit_status(0.1) is None


@pytest.fixture
def worker():
    process = subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE)
    process.stdout.readline()
    yield process.pid
    process.kill()
    process.wait()
    process.stdout.close()


def test_threads_that_work_are_told_from_those_that_wait(plain, worker, recorder):
    (use,) = ThreadsProbe(plain).watch([worker], work_s=0.6, within_s=20)

    assert len(use.busy) == 3
    assert sum(use.busy.values()) > use.main_s
    assert recorder.telling()[0].subject == f"threads of process {worker} that worked"


def test_threads_that_wait_are_not_busy(plain):
    ended = threading.Event()
    idle = threading.Thread(target=ended.wait)
    idle.start()
    (use,) = ThreadsProbe(plain).watch([os.getpid()], work_s=1, within_s=0.1)
    ended.set()
    idle.join()

    assert idle.native_id not in use.busy


def test_a_process_that_is_not_there_cannot_be_watched(plain):
    with pytest.raises(NotVerified):
        ThreadsProbe(plain).watch([2**22 + 1], work_s=1, within_s=0.1)


def test_where_nothing_can_be_run_nothing_is_seen(plain):
    class Elsewhere(type(plain)):
        def execute(self, argv, *, stdin="", timeout_s=10.0):
            raise CannotShow("not ours")

    elsewhere = Elsewhere(**{name: getattr(plain, name) for name in plain.__dataclass_fields__})
    with pytest.raises(NotVerified, match="not ours"):
        ThreadsProbe(elsewhere).watch([1], work_s=1, within_s=0.1)
