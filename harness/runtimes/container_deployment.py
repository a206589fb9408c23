"""One target that runs in a container."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.errors import ProbeFailed
from harness.load.order import Witness
from harness.runtimes import CannotShow, Completed, RuntimeName, StartFailure
from harness.runtimes.engine import Box
from harness.runtimes.files import Folders, write_certificate
from harness.runtimes.hardening import LOOPBACK, harden
from harness.runtimes.launch import Plan
from harness.runtimes.merged import MergedLog
from harness.runtimes.one_server import OneServer
from harness.runtimes.planned import Planned
from harness.runtimes.readiness import await_line
from harness.runtimes.witness_containers import container_witness

if TYPE_CHECKING:
    from harness.runtimes.containers import ContainersRuntime

RELAY_PORT = 9000
_RELAY_READY_S = 30.0
_KILL = "import os, sys; os.kill(int(sys.argv[1]), int(sys.argv[2]))"


class ContainerDeployment(Planned, OneServer):
    """See `harness.runtimes.Deployment`. The pids that the server reports are those of its container."""

    runtime: RuntimeName = "containers"

    def __init__(
        self,
        owner: ContainersRuntime,
        plan: Plan,
        folders: Folders,
        box: Box,
        image: str,
        addresses: Mapping[str, str],
    ) -> None:
        ports = box.published()
        redirect = ports.get(plan.launch.redirect_port) if plan.redirects else None
        super().__init__(plan, owner.ca_file, port=ports.get(plan.launch.port, 0), plain_port=redirect)
        self.box = box
        self.image = image
        self._owner = owner
        self._folders = folders
        self._addresses = addresses
        self._relays: dict[str, Box] = {}
        self._lock = threading.Lock()
        self._log = MergedLog(servers=lambda: [box], edges=list)
        self._last_log: str | None = None

    def exit_status(self) -> int | None:
        """Exit status of the main process; None while it runs."""
        return self.box.exit_status()

    def holds_port(self) -> bool:
        """Docker publishes a port for one container only."""
        return True

    def via(self, address: str) -> str:
        """Base URL that reaches the target from the named client address. Raises `CannotShow`."""
        with self._lock:
            if address not in self._relays:
                self._relays[address] = self._start_relay(address)
            port = self._relays[address].published()[RELAY_PORT]
        return f"{self.plan.scheme}://{LOOPBACK}:{port}"

    def address(self, name: str) -> str:
        """The IP address behind a name, as the target sees it; "direct" is the harness's own."""
        return self._owner.network.gateway if name == "direct" else self._addresses[name]

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        """Run a command in the container, as the server's user. Raises `ProbeFailed`."""
        return self.box.execute(argv, stdin=stdin, timeout_s=timeout_s)

    def kill(self, pid: int, signal: int) -> None:
        """Send a signal to a process of the container. Raises `ProbeFailed`."""
        if pid == 1:
            # From inside, the kernel shields a container's first process; Docker sends from outside.
            self.box.signal(str(signal))
            return
        done = self.execute(["python", "-c", _KILL, str(pid), str(signal)])
        if done.status != 0:
            raise ProbeFailed(
                f"signal {signal} to process {pid}: {(done.stderr or done.stdout).strip()[-200:]}"
            )

    def terminate(self) -> None:
        """Send SIGTERM to the main process, without waiting."""
        self.box.signal("SIGTERM")

    def wait_exit(self, timeout_s: float) -> int:
        """Return the main process's exit status. Raises `ProbeFailed` while it still runs."""
        return self.box.wait(timeout_s)

    def logs(self) -> str:
        """Everything the server has printed so far."""
        return self._log.text() if self._last_log is None else self._last_log

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
        write_certificate(leaf, self._folders.tls, like=self._folders.tls)
        self.box.signal("SIGHUP")
        return leaf.fingerprint

    def path(self, name: Literal["data", "state", "code", "config", "secrets"]) -> str:
        """The path of a directory or file as the server sees it."""
        if name == "code" and self.plan.overlay.package:
            return "/overlay/panotti"
        return str(getattr(self.plan.launch.paths, name))

    def inspect(self) -> Mapping[str, object]:
        """The container's and its image's own description."""
        return {"container": self.box.attributes(), "image": self._owner.engine.image(self.image)}

    def export_image(self) -> Path:
        """The image as `docker save` writes it; one file for each image of the run."""
        return self._owner.export(self.image)

    def witness(self) -> AbstractContextManager[Witness]:
        """Have a responder in a container of the same network."""
        options = harden(self.plan.launch.container, ()).options
        return container_witness(self._owner.engine, self.image, self._owner.network.name, options)

    def stop(self) -> None:
        """End it and remove its container and files; the log stays readable. Safe to call twice."""
        with self._lock:
            if self._last_log is not None:
                return
            self._last_log = self._log.text()
            relays, self._relays = self._relays, {}
        for box in (*relays.values(), self.box):
            box.remove()
        shutil.rmtree(self._folders.root, ignore_errors=True)
        self._owner.give_back(dict(self._addresses))
        self._owner.forget(self)

    def _start_relay(self, name: str) -> Box:
        return relay_is_up(self._owner.start_relay(self, self.address(name)))


def relay_is_up(box: Box) -> Box:
    """Wait until a relay listens. Raises `CannotShow` where the image cannot run it."""
    failure = await_line(exited=box.exit_status, output=box.logs, timeout_s=_RELAY_READY_S)
    if failure is not None:
        box.remove()
        raise CannotShow(f"this image cannot run the relay for client addresses: {failure.output[-200:]}")
    return box
