"""One server more in the networks of a topology that is up, to see whether it refuses to start.

A start that is to be refused needs nothing else of its own. One that is not refused finds the stores with the
schema that they have, and becomes ready, as a further replica does. No request reaches it but the question
whether it is ready: it has none of the names by which the edge looks for replicas.
"""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.defects import Certificate, Change, Edit, Secret, SecretFiles, Setting
from harness.runtimes import Specification, StartFailure
from harness.runtimes.hardening import LOOPBACK
from harness.runtimes.launch import Plan
from harness.runtimes.pki import HOST_NAME
from harness.runtimes.readiness import Door
from harness.runtimes.realised import Realised
from harness.runtimes.topology import beside

if TYPE_CHECKING:
    from harness.runtimes.containers import ContainersRuntime


def may_join(specification: Specification, standing: Specification) -> bool:
    """Whether a start differs from what stands only in what the server is given: its settings and secrets.

    Other code could change the stores that it shares, and other containers want a topology of their own.
    """
    changes, common = specification.variation.changes, standing.variation.changes
    return changes[: len(common)] == common and all(_is_given(change) for change in changes[len(common) :])


def _is_given(change: Change) -> bool:
    match change:
        case Setting() | Secret() | SecretFiles() | Certificate():
            return True
        case Edit(path=path):
            return path.startswith("deploy/profiles/")
        case _:
            return False


class Joined:
    """See `harness.runtimes.bringup.Starting`."""

    def __init__(self, owner: ContainersRuntime, plan: Plan, standing: Realised) -> None:
        self.started_in_s = 0.0
        self._owner = owner
        self._folder = owner.workspace.folder("joined")
        self._lock = threading.Lock()
        self._last_log: str | None = None
        found = beside(standing, plan, self._folder, owner.authority)
        application = found.contract.application
        networks = found.topology.services[application].networks
        places = [replace(found.place(application, network), aliases=()) for network in networks]
        self._box = found.run(application, places)
        address = self._box.addresses()[found.networks[found.shared]]
        self.door = Door(
            # A container that ended at once has no address any more; port 0 answers nobody.
            base_url=f"{_scheme(plan)}://{address or LOOPBACK}:{plan.launch.port if address else 0}",
            path=f"{plan.contract.http.base_path}{plan.launch.ready_path}",
            host_name=plan.contract.http.host or HOST_NAME,
        )

    def exit_status(self) -> int | None:
        """Exit status of the main process; None while it runs."""
        return self._box.exit_status()

    def holds_port(self) -> bool:
        """Whether it still runs: the address of a container that has ended may be another one's by now."""
        return self._box.exit_status() is None

    def settle(self) -> None:
        """Nothing is left to be done once it is ready: it is not to stay."""

    def explain(self, failure: StartFailure) -> StartFailure:
        """Nothing more is known: there is one component."""
        return failure

    def logs(self) -> str:
        """Everything the server has printed so far."""
        return self._box.logs() if self._last_log is None else self._last_log

    def stop(self) -> None:
        """End it and remove its container and files; the log stays readable. Safe to call twice."""
        with self._lock:
            if self._last_log is not None:
                return
            self._last_log = self._box.logs()
        self._box.remove()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._owner.forget(self)


def _scheme(plan: Plan) -> str:
    """What it speaks: a server whose certificate was taken away and that starts all the same has no TLS."""
    certificate = {name for name, value in plan.launch.tls.env.items() if "${tls_cert}" in value}
    return "http" if certificate & plan.removed else plan.scheme
