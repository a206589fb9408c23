"""One topology that is up: several replicas behind an edge, each part within reach."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from harness.defects import Variation
from harness.errors import ProbeFailed, RuntimeUnavailable
from harness.load.order import Witness, reach_of
from harness.releases.stage import Colour
from harness.runtimes import CannotShow, Completed, RuntimeName, StartFailure
from harness.runtimes.colours import Colours
from harness.runtimes.container_deployment import RELAY_PORT, relay_is_up
from harness.runtimes.edge import Edge
from harness.runtimes.edge_change import change_edge
from harness.runtimes.engine import Box
from harness.runtimes.hardening import LOOPBACK
from harness.runtimes.joined import Joined
from harness.runtimes.launch import Plan
from harness.runtimes.merged import MergedLog
from harness.runtimes.part import Part
from harness.runtimes.planned import Planned
from harness.runtimes.readiness import answers, await_ready
from harness.runtimes.realised import Realised, dead, each
from harness.runtimes.services import volume_paths
from harness.runtimes.stage import ContainerStage
from harness.runtimes.topology import EDGE_FILE, write_edge
from harness.runtimes.witness_containers import witness_behind_edge

if TYPE_CHECKING:
    from harness.runtimes.containers import ContainersRuntime

_KILL: Final = "import os, sys; os.kill(int(sys.argv[1]), int(sys.argv[2]))"
_ANSWERED_S: Final = 10.0  # a request whose replica gets no more of them is answered within it
_LOOK_S: Final = 0.05


class TopologyDeployment(Planned):
    """See `harness.runtimes.Deployment`. Where no replica is named, "the server" is the first one."""

    runtime: RuntimeName = "containers"

    def __init__(self, owner: ContainersRuntime, plan: Plan, found: Realised, image: str) -> None:
        published = found.edge[0].published() if found.edge else {}
        found.doors = published
        self._https, self._http = _doors(found)
        plain = published.get(self._http) if self._http and plan.redirects else None
        super().__init__(plan, owner.ca_file, port=published.get(self._https, 0), plain_port=plain)
        self.image = image
        self.found = found
        self._owner = owner
        self._relays: dict[str, Box] = {}
        self._lock = threading.Lock()
        self._log = MergedLog(
            servers=lambda: [*found.boxes.get(found.contract.application, ())],
            edges=lambda: [*found.boxes.get(found.contract.edge, ())],
        )
        self._last_log: str | None = None

    @property
    def replicas(self) -> tuple[Part, ...]:
        """The servers behind the edge."""
        return self.parts(self.found.contract.application)

    @property
    def replica_urls(self) -> tuple[str, ...]:
        """Where each replica is reached past the edge, from this machine."""
        return tuple(replica.url for replica in self.replicas)

    def parts(self, name: str) -> tuple[Part, ...]:
        """The containers of a service, or of what the server calls one of its dependencies."""
        service = self.found.contract.parts.get(name, name)
        boxes = self.found.boxes.get(service)
        if not boxes:
            raise CannotShow(f"the topology has no {name}; it has {', '.join(self.found.topology.services)}")
        return tuple(Part(service, box, self.found) for box in boxes)

    def members(self) -> tuple[Part, ...]:
        """Every container."""
        boxes = self.found.boxes
        return tuple(Part(name, box, self.found) for name in boxes for box in boxes[name])

    def add_replica(self) -> Part:
        """Start one more replica; it is not waited for."""
        service = self.found.contract.application
        return Part(service, self.found.add(service), self.found)

    def renew(self) -> None:
        """Have as many replicas again as it began with: those that ended are started, added ones go.

        Raises `ProbeFailed` where they do not become ready.
        """
        with self._owner.turn():
            self.found.casualty = None
            self.found.renew()
            failure = await_ready(
                self.door,
                exited=self.exit_status,
                output=self.logs,
                timeout_s=self.plan.launch.ready_within_s,
                ours=self._each_is_in,
            )
        if failure is not None:
            raise ProbeFailed(f"the replicas did not come back: {failure.output[-200:]}")
        self.found.settle()

    def change_edge(self, variation: Variation) -> None:
        """Replace the edge by one whose files have these edits, CLEAN: those that it was brought up with.

        Addresses and ports stay, and all behind it stands. Raises ProbeFailed where it does not become ready.
        """
        self.logs()  # what the one before has said is kept
        change_edge(self.found, self._colours(), self.door, variation)

    def _each_is_in(self) -> bool:
        """By address, and asked itself: the edge takes a moment to notice that one has ended."""
        addresses = {replica.addresses()[self.found.shared] for replica in self.replicas}
        try:
            known = addresses <= Edge(self.found.edge[0]).up(Colour.BLUE)
        except (ProbeFailed, RuntimeUnavailable):
            return False
        return known and all(answers(replace(self.door, base_url=url)) for url in self.replica_urls)

    def join(self, plan: Plan) -> Joined:
        """Start one server beside the replicas, with their stores and secrets; the edge does not know it."""
        return Joined(self._owner, plan, self.found)

    def stage(self) -> ContainerStage:
        """The two colours of the application, to put releases at. What it changes is seen here too."""
        colours = self._colours()
        return ContainerStage(
            colours, reach_of(self, self.plan.contract), changed=partial(self._look, colours)
        )

    def serving(self) -> int:
        """How many replicas the edge sends requests to. Raises `ProbeFailed`."""
        return len(Edge(self.found.edge[0]).clients_go_to())

    def prefer(self, replicas: Collection[Part]) -> None:
        """Have the edge send requests to these replicas alone, and wait until the others have answered.

        Raises `ProbeFailed`.
        """
        addresses = {replica.addresses()[self.found.shared] for replica in replicas}
        with Edge(self.found.edge[0]).conversing() as edge:
            colour, deadline = edge.prefer(addresses), time.monotonic() + _ANSWERED_S
            while left := edge.in_flight(colour, addresses):
                if time.monotonic() > deadline:
                    raise ProbeFailed(f"replicas that get no more requests have not answered {left} of them")
                time.sleep(_LOOK_S)

    def stores(self) -> tuple[Part, ...]:
        """The containers with a named volume."""
        services = self.found.topology.services
        return tuple(
            Part(name, box, self.found)
            for name, boxes in self.found.boxes.items()
            if volume_paths(services[name], self.found.volumes)
            for box in boxes
        )

    def edge(self, command: str) -> str:
        """Send a command to the edge's runtime socket; return its answer. Raises `ProbeFailed`."""
        return Edge(self.found.edge[0]).ask(command)

    def exit_status(self) -> int | None:
        """Status of the first component that has ended; None while all run."""
        if self.found.casualty is None:
            self.found.casualty = next(dead(self.found), None)
        if self.found.casualty is None:
            return None
        status = self.found.casualty.failure.status
        return 1 if status is None else status

    def holds_port(self) -> bool:
        """Whether the edge has every replica in."""
        try:
            return self.serving() >= self.found.topology.services[self.found.contract.application].scale
        except (ProbeFailed, RuntimeUnavailable):
            return False

    def explain(self, failure: StartFailure) -> StartFailure:
        """Name the component that failed, with what it said; the server's failure is the deployment's own."""
        casualty = self.found.casualty
        if casualty is None:
            return failure
        own = casualty.service == self.found.contract.application
        return replace(casualty.failure, part="" if own else casualty.service)

    def via(self, address: str) -> str:
        """Base URL that reaches the edge from the named client address. Raises `CannotShow`."""
        with self._lock:
            if address not in self._relays:
                self._relays[address] = self._start_relay(address)
            port = self._relays[address].published()[RELAY_PORT]
        return f"{self.plan.scheme}://{LOOPBACK}:{port}"

    def address(self, name: str) -> str:
        """The IP address behind a name, as the edge sees it; "direct" is the harness's own."""
        found = self.found
        return found.gateway(found.public) if name == "direct" else found.named(name)

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        """Run a command in the first replica, as the server's user. Raises `ProbeFailed`."""
        return self.found.application[0].execute(argv, stdin=stdin, timeout_s=timeout_s)

    def kill(self, pid: int, signal: int, host: str = "") -> None:
        """Send a signal to a process of the replica `host`, else of the first one. Raises `ProbeFailed`."""
        box = next((box for box in self.found.application if box.name == host), self.found.application[0])
        if pid == 1:
            box.signal(str(signal))
            return
        done = box.execute(["python", "-c", _KILL, str(pid), str(signal)], stdin="", timeout_s=10)
        if done.status != 0:
            raise ProbeFailed(
                f"signal {signal} to process {pid}: {(done.stderr or done.stdout).strip()[-200:]}"
            )

    def settle(self) -> None:
        """Let Docker restart what ends, as the topology says, from now on."""
        self.found.settle()

    def terminate(self) -> None:
        """Send SIGTERM to every replica, without waiting."""
        each(lambda box: box.signal("SIGTERM"), self.found.application)

    def wait_exit(self, timeout_s: float) -> int:
        """Return the highest exit status of the replicas. Raises `ProbeFailed` while one still runs."""
        return max(each(lambda box: box.wait(timeout_s), self.found.application))

    def logs(self) -> str:
        """What the replicas have printed so far, in the order of time, and the edge's own answers."""
        return self._log.text() if self._last_log is None else self._last_log

    def replace_certificate(self) -> str:
        """Give the edge a new certificate by its runtime socket; return the new fingerprint."""
        if self.plan.leaf is None:
            raise CannotShow(f"the profile {self.specification.profile} has no TLS")
        leaf = self._owner.authority.issue()
        write_edge(self.found, leaf, self._owner.authority)
        file = f"/run/tls/{EDGE_FILE}"
        pem = (leaf.certificate + leaf.key).decode().strip()
        self._expect("Transaction", self.edge(f"set ssl cert {file} <<\n{pem}\n"))
        self._expect("Success", self.edge(f"commit ssl cert {file}"))
        return leaf.fingerprint

    def path(self, name: Literal["data", "state", "code", "config", "secrets"]) -> str:
        """The path of a directory or file as a replica sees it."""
        if name == "code" and self.plan.overlay.package:
            return "/overlay/panotti"
        return str(getattr(self.plan.launch.paths, name))

    def inspect(self) -> Mapping[str, object]:
        """The description of the first replica's container, and of the application's image."""
        container = self.found.application[0].attributes()
        return {"container": container, "image": self._owner.engine.image(self.image)}

    def export_image(self) -> Path:
        """The application's image as `docker save` writes it."""
        return self._owner.export(self.image)

    def witness(self) -> AbstractContextManager[Witness]:
        """Have a responder in its networks, behind an edge of its own."""
        return witness_behind_edge(self.found, self.image, self.host_name, self.ca_file)

    def stop(self) -> None:
        """End it and remove everything that belonged to it; the log stays readable. Safe to call twice."""
        with self._lock:
            if self._last_log is not None:
                return
            try:
                self._last_log = self._log.text()
            except RuntimeUnavailable:
                self._last_log = ""
            relays, self._relays = self._relays, {}
        self.found.remove(relays.values())
        shutil.rmtree(self.found.folder, ignore_errors=True)
        self._owner.forget(self)

    def _colours(self) -> Colours:
        found = self.found
        network = found.networks[found.shared]
        return Colours(self._owner.engine, self.plan.contract, network, edge=lambda: found.edge[0])

    def _look(self, colours: Colours) -> None:
        """Find the replicas again after a rollout has changed them, first those that serve."""
        serving, standing = colours.edge.serving() or Colour.BLUE, colours.both()
        boxes = [one.box for colour in (serving, serving.other) for one in standing[colour]]
        self.found.take_over(self.found.contract.application, boxes)

    def _expect(self, word: str, answer: str) -> None:
        if word not in answer:
            raise ProbeFailed(f"the edge did not take the certificate: {answer.strip()[-200:]}")

    def _start_relay(self, name: str) -> Box:
        found = self.found
        target = f"{found.topology.services[found.contract.edge].networks[found.public].ipv4_address}"
        network = found.networks[found.public]
        return relay_is_up(
            self._owner.start_relay_in(
                network, self.address(name), f"{target}:{self._https}", image=self.image
            )
        )


def _doors(found: Realised) -> tuple[int, int | None]:
    """The edge's container ports: for TLS, and for plain HTTP where there is one. The file lists them so."""
    inside = [int(text.rpartition(":")[2]) for text in found.topology.services[found.contract.edge].ports]
    return (inside[0], inside[1] if len(inside) > 1 else None) if inside else (0, None)
