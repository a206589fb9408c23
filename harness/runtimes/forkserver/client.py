"""The harness's side of a fork server, and the children that it has forked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from harness.errors import ProbeFailed
from harness.runtimes.program import Program

_SERVER: Final = Path(__file__).parent / "server.py"
_PACKET: Final = 1 << 20
_ANSWER_S: Final = 60.0  # to load all modules, and to fork, on a busy machine
# What each program has its own value of: the server finds what was made of its own (server.own_paths).
_OWN: Final = frozenset({"HOME", "TMPDIR", "PYTHONPATH"})
# What the loader, the C library, OpenSSL and the interpreter read before any module could be watched.
_EARLY: Final = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "GLIBC_", "OPENSSL_", "SSL_")


class CannotFork(Exception):
    """A fork cannot stand for this program; the argument says why. It is started as one of its own."""


class ForkServer:
    """Holds `modules` loaded in an interpreter. Safe to use from several threads.

    environment: what every program gets. folder: its working directory, HOME and log, its own.
    """

    def __init__(
        self, python: str, modules: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        """Start it, and wait until all is loaded. Raises `CannotFork`."""
        self._python = python
        self._environment = environment
        self._folder = folder
        self._control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.settimeout(_ANSWER_S)
        with there, self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [python, str(_SERVER), str(there.fileno())],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[there.fileno()],
            )
        try:
            self._read = self._loaded(modules)
        except BaseException:
            self.close()
            raise

    @property
    def _log(self) -> Path:
        return self._folder / "forkserver.log"

    def _loaded(self, modules: Sequence[str]) -> frozenset[str]:
        """Return which variables were looked up meanwhile."""
        packet = b""
        with contextlib.suppress(OSError):
            self._control.send("\n".join(modules).encode())
            packet = self._control.recv(_PACKET)
        if not packet:
            printed = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise CannotFork(f"the fork server does not load its modules: {printed[-1] if printed else ''}")
        answer = json.loads(packet)
        if answer["problem"]:
            raise CannotFork(answer["problem"])
        return frozenset(answer["read"])

    def start(self, program: Program, log: IO[bytes]) -> Forked:
        """Fork a child that runs a program. Raises `CannotFork`, where nothing was started."""
        self._check(program)
        order = {
            "argv": program.argv,
            "environment": dict(program.environment),
            "directory": str(program.directory),
        }
        stream, there = socket.socketpair()
        stream.settimeout(_ANSWER_S)
        try:
            with there:
                socket.send_fds(self._control, [b"\0"], [log.fileno(), there.fileno()])
            stream.sendall(json.dumps(order).encode() + b"\n")
            answer = _line(stream)
        except OSError as cause:
            stream.close()
            raise CannotFork(f"the fork server does not answer: {cause}") from None
        if answer is None or "pid" not in answer:
            stream.close()
            raise CannotFork(answer["refused"] if answer and "refused" in answer else "the fork server ended")
        return Forked(answer["pid"], stream)

    def _check(self, program: Program) -> None:
        """Refuse what would not be the same if forked."""
        match program.argv:
            case (self._python, "-m", str(module), *_) if not module.startswith("-"):
                pass
            case _:
                raise CannotFork(f"it is not started by `{self._python} -m MODULE`")
        for name in {*program.environment, *self._environment} - _OWN:
            if program.environment.get(name) == self._environment.get(name):
                continue
            if name in self._read or name.startswith(_EARLY):
                raise CannotFork(f"{name} is read while modules are loaded")

    def close(self) -> None:
        """End it; its children stay. Safe to call twice."""
        self._control.close()
        self._process.kill()
        self._process.wait()


class Forked:
    """A child of a fork server. See `harness.runtimes.program.Started`."""

    def __init__(self, pid: int, stream: socket.socket) -> None:
        self.pid = pid
        self._stream = stream
        self._status: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """Exit status; None while it runs. Raises `ProbeFailed` where nobody knows it any more."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Exit status, negative for a signal. Raises `subprocess.TimeoutExpired`, `ProbeFailed`."""
        until = None if timeout is None else time.monotonic() + timeout
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            raise subprocess.TimeoutExpired([f"process {self.pid}"], timeout or 0)
        try:
            if self._status is None:
                if not _readable(self._stream, until):
                    raise subprocess.TimeoutExpired([f"process {self.pid}"], timeout or 0)
                self._status = self._ended()
            return self._status
        finally:
            self._lock.release()

    def send_signal(self, sig: int, /) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _ended(self) -> int:
        with self._stream:
            answer = None
            with contextlib.suppress(OSError):
                answer = _line(self._stream)
                self._stream.shutdown(socket.SHUT_WR)
                self._stream.recv(1)  # nothing: it is reaped
        if answer is None:
            raise ProbeFailed(f"how process {self.pid} ended is not known: its fork server has ended")
        return int(answer["status"])


def _readable(stream: socket.socket, until: float | None) -> bool:
    look = select.poll()  # select() takes no descriptor above 1023
    look.register(stream, select.POLLIN)
    return bool(look.poll(None if until is None else max(0.0, until - time.monotonic()) * 1000))


def _line(stream: socket.socket) -> dict[str, Any] | None:
    """Return the next line of JSON; None at the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = stream.recv(1)
        if not byte:
            return None
        line += byte
    answer: dict[str, Any] = json.loads(line)
    return answer
