"""One target that runs as local processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal as signals
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

from harness.errors import ProbeFailed
from harness.runtimes import CannotShow, Completed, RuntimeName, StartFailure, relay
from harness.runtimes.files import CONFIG_NAME, Folders, write_certificate
from harness.runtimes.launch import ADDRESSES, Plan
from harness.runtimes.listening import listens
from harness.runtimes.one_server import OneServer
from harness.runtimes.planned import Planned
from harness.runtimes.program import Program, Started

if TYPE_CHECKING:
    from harness.runtimes.process import ProcessRuntime

LOG_NAME = "server.log"
_NO_CONTAINER = "the runtime `process` has neither container nor image"


class ProcessDeployment(Planned, OneServer):
    """See `harness.runtimes.Deployment`."""

    runtime: RuntimeName = "process"

    def __init__(
        self,
        owner: ProcessRuntime,
        plan: Plan,
        folders: Folders,
        program: Program,
        process: Started,
        ca_file: Path,
        *,
        not_forked: str = "",
    ) -> None:
        """not_forked: why it is a program of its own; empty for a child of the fork server."""
        super().__init__(plan, ca_file, port=program.port, plain_port=program.redirect_port)
        self.pid = process.pid
        self.not_forked = not_forked
        self._owner = owner
        self._folders = folders
        self._program = program
        self._process = process
        self._relay: subprocess.Popen[str] | None = None
        self._relay_ports: dict[str, int] = {}
        self._lock = threading.Lock()
        self._last_log: str | None = None

    def exit_status(self) -> int | None:
        """Exit status of the main process; None while it runs."""
        return self._process.poll()

    def holds_port(self) -> bool:
        """Whether one of its processes listens on its port."""
        return listens(self._process.pid, self._program.port)

    def via(self, address: str) -> str:
        """Base URL that reaches the target from the named client address."""
        self.address(address)
        with self._lock:
            if self._relay is None:
                self._start_relay()
        return f"{self.plan.scheme}://127.0.0.1:{self._relay_ports[address]}"

    def address(self, name: str) -> str:
        """The IP address behind a name, as the target sees it."""
        return self._owner.address_of(name)

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        """Run a command with the server's environment. Raises `ProbeFailed`."""
        command = (self._program.python, *argv[1:]) if argv[0] == "python" else tuple(argv)
        try:
            done = subprocess.run(  # noqa: S603
                command,
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
                env=self._program.environment,
                cwd=self._program.directory,
            )
        except subprocess.TimeoutExpired:
            raise ProbeFailed(f"{argv[0]}: did not end within {timeout_s:g} s") from None
        except FileNotFoundError:
            raise ProbeFailed(f"{argv[0]}: there is no such command") from None
        return Completed(status=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def kill(self, pid: int, signal: int) -> None:
        """Send a signal to a process of the server. Raises `ProbeFailed` for any other process."""
        try:
            if os.getpgid(pid) != self._process.pid:
                raise ProbeFailed(f"process {pid} does not belong to the server")
            os.kill(pid, signal)
        except ProcessLookupError:
            raise ProbeFailed(f"the server has no process {pid}") from None

    def terminate(self) -> None:
        """Send SIGTERM to the main process, without waiting."""
        self._process.send_signal(signals.SIGTERM)

    def wait_exit(self, timeout_s: float) -> int:
        """Return the main process's exit status. Raises `ProbeFailed` while it still runs."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProbeFailed(f"the server still runs after {timeout_s:g} s") from None

    def logs(self) -> str:
        """Everything the server has printed so far."""
        if self._last_log is not None:
            return self._last_log
        return (self._folders.root / LOG_NAME).read_text(encoding="utf-8", errors="replace")

    def settle(self) -> None:
        """Nothing is left to be done once it is ready."""

    def explain(self, failure: StartFailure) -> StartFailure:
        """Nothing more is known: there is one component."""
        return failure

    def replace_certificate(self) -> str:
        """Give the server a new certificate and tell it by SIGHUP; return the new fingerprint."""
        if self.plan.leaf is None:
            raise CannotShow(f"the profile {self.specification.profile} has no TLS")
        leaf = self._owner.authority.issue()
        write_certificate(leaf, self._folders.tls)
        self._process.send_signal(signals.SIGHUP)
        return leaf.fingerprint

    def path(self, name: Literal["data", "state", "code", "config", "secrets"]) -> str:
        """The path of a directory or file as the server sees it."""
        match name:
            case "code":
                return str(self._program.code)
            case "config":
                return str(self._folders.config / CONFIG_NAME)
            case _:
                return str(self._folders.root / name)

    def inspect(self) -> NoReturn:
        """A process is no container."""
        raise CannotShow(_NO_CONTAINER)

    def export_image(self) -> NoReturn:
        """A process has no image."""
        raise CannotShow(_NO_CONTAINER)

    def stop(self) -> None:
        """End it and its children, remove its files; the log stays readable. Safe to call twice."""
        with self._lock:
            if self._last_log is not None:
                return
            self._last_log = self.logs()
            forwarder, self._relay = self._relay, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signals.SIGKILL)
        with contextlib.suppress(ProbeFailed):
            self._process.wait()
        if forwarder is not None:
            forwarder.kill()
            forwarder.communicate()
        shutil.rmtree(self._folders.root, ignore_errors=True)
        self._owner.forget(self)

    def _start_relay(self) -> None:
        listens = [f"127.0.0.1:0={self.address(name)}" for name in ADDRESSES]
        self._relay = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", relay.__file__, f"127.0.0.1:{self._program.port}", *listens],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        line = self._relay.stdout.readline() if self._relay.stdout else ""
        if not line:
            raise ProbeFailed("the relay for named client addresses did not start")
        self._relay_ports = dict(zip(ADDRESSES, json.loads(line), strict=True))
