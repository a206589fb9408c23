"""Servers forked from a process that has imported everything: imports are most of a small server's start."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("small_server.py")
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Forked:
    """A server under way; like `subprocess.Popen`, as far as these tests go."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            handle = os.pidfd_open(self.pid)
            try:
                select.select([handle], [], [], timeout)
            finally:
                os.close(handle)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(str(SCRIPT), timeout or 0)
        return status

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


class Nursery:
    """The process that forks. Its servers become children of this one, which waits for their ends."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "--nursery"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, environment: Mapping[str, str], directory: Path, log: Path) -> Forked:
        """Start a server with this environment; what it prints goes to `log`."""
        order = {"environment": dict(environment), "directory": str(directory), "log": str(log)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with _adopting():
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            pid = int(self._process.stdout.readline())
        return Forked(pid)

    def close(self) -> None:
        self._process.communicate()


@contextlib.contextmanager
def _adopting() -> Iterator[None]:
    """Inside, a process whose parent ends becomes a child of this one instead of the system's first."""
    libc = ctypes.CDLL(None, use_errno=True)

    def adopt(on: int) -> None:
        assert libc.prctl(_PR_SET_CHILD_SUBREAPER, on, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())

    adopt(1)
    try:
        yield
    finally:
        adopt(0)
