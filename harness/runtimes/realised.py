"""What stands of a topology: containers by service, networks and volumes; grown and removed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from harness import places
from harness.contract import Replicated
from harness.errors import ProbeFailed
from harness.runtimes import StartFailure
from harness.runtimes.engine import Box, Engine, Place, Request
from harness.runtimes.hardening import Hardening, change
from harness.runtimes.launch import ADDRESSES, Plan, resolve
from harness.runtimes.services import Ports, hardening, mounts, ports, restart_policy, tmpfs
from harness.topology.schema import Service, Topology

T = TypeVar("T")
S = TypeVar("S")
_FIRST_NAMED: Final = 33  # addresses of the edge network that Docker gives to nobody
OVERLAY: Final = "/overlay"
_STOP_S: Final = 15.0
_ONCE: Final = "service_completed_successfully"


class Casualty(Exception):
    """A component ended, or did not get healthy, before the deployment was ready."""

    def __init__(self, service: str, failure: StartFailure) -> None:
        super().__init__(service)
        self.service = service
        self.failure = failure


@dataclass(slots=True, kw_only=True)
class Realised:
    """What stands of one topology. boxes: by service, in the order in which they were started.

    doors: at which port of this machine each published port of the edge is to be, where it is to stay there.
    """

    engine: Engine
    plan: Plan
    contract: Replicated
    folder: Path
    images: Mapping[str, str]
    topology: Topology
    prefix: str
    networks: dict[str, str]
    volumes: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, list[Box]] = field(default_factory=dict)
    doors: dict[int, int] = field(default_factory=dict)
    casualty: Casualty | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def application(self) -> list[Box]:
        return self.boxes.get(self.contract.application, [])

    @property
    def edge(self) -> list[Box]:
        return self.boxes.get(self.contract.edge, [])

    @property
    def shared(self) -> str:
        """The network between edge and application, by its name in the file."""
        services = self.topology.services
        edge, application = services[self.contract.edge], services[self.contract.application]
        return next(name for name in edge.networks if name in application.networks)

    @property
    def public(self) -> str:
        """The network that clients come from: the first one of the edge."""
        return next(iter(self.topology.services[self.contract.edge].networks))

    def gateway(self, network: str) -> str:
        """Where this machine stands in a network."""
        return str(self.topology.networks[network].ipam.config[0].gateway)

    def named(self, name: str) -> str:
        """The address that a named client has in the public network."""
        return named_addresses(self.prefix)[name]

    def place(self, service: str, network: str) -> Place:
        """A service's place in a network of the file."""
        attachment = self.topology.services[service].networks[network]
        return Place(
            network=self.networks[network],
            aliases=(service, *attachment.aliases),
            address=attachment.ipv4_address,
        )

    def _where(self, service: str) -> list[Place]:
        """A service's places, in the order of the file."""
        return [self.place(service, network) for network in self.topology.services[service].networks]

    def add(self, service: str) -> Box:
        """Start one more container of a service."""
        return self._counted(service, self.run(service, self._where(service)))

    def make(self, service: str) -> Box:
        """Make one more container of a service, to be started later."""
        request, published = self._request(service)
        return self._counted(service, self.engine.make(request, published, self._where(service)))

    def run(self, service: str, where: Sequence[Place]) -> Box:
        """Start a container as a service has them, which is not counted as one of it."""
        request, published = self._request(service)
        return self.engine.place(request, published, where)

    def _request(self, service: str) -> tuple[Request, Ports]:
        made = self.topology.services[service]
        hardened = self.hardened(service, made)
        request = Request(
            image=made.image,
            command=made.command,
            environment={**self._environment(service, made), **hardened.environment},
            mounts=(
                *mounts(made, self.volumes, places.DEPLOY),
                *self._overlay(service),
                *hardened.mounts,
            ),
            tmpfs=tmpfs(made),
            options=hardened.options,
        )
        return request, ports(made) if service != self.contract.edge else self._doors(made)

    def _doors(self, made: Service) -> Ports:
        return {
            port: (address, self.doors.get(port, known)) for port, (address, known) in ports(made).items()
        }

    def _counted(self, service: str, box: Box) -> Box:
        with self.lock:
            self.boxes.setdefault(service, []).append(box)
        return box

    def take_over(self, service: str, boxes: Sequence[Box]) -> None:
        """Count these as a service's containers, and no others; those that were known stay the same."""
        with self.lock:
            known = {box.id: box for box in self.boxes.get(service, ())}
            self.boxes[service] = [known.get(box.id, box) for box in boxes]

    def drop(self, service: str, box: Box) -> None:
        """Stop one container of a service as an orchestrator does, and remove it."""
        with self.lock:
            self.boxes[service].remove(box)
        box.signal(self.topology.services[service].stop_signal or "SIGTERM")
        with suppress(ProbeFailed):
            box.wait(_STOP_S)
        box.remove()

    def renew(self) -> None:
        """Have the application in as many containers as the file says; what has ended is started again."""
        name = self.contract.application
        wanted, boxes = self.topology.services[name].scale, [*self.application]
        each(lambda box: self.drop(name, box), boxes[wanted:])
        each(lambda box: box.start(), (box for box in boxes[:wanted] if box.exit_status() is not None))
        each(lambda _: self.add(name), range(wanted - len(boxes)))

    def settle(self) -> None:
        """Give the containers the restart policy that their service has, once all are ready."""
        each(lambda pair: pair[1].update(restart_policy=restart_policy(pair[0])), self._all())

    def remove(self, others: Iterable[Box] = ()) -> None:
        """Remove everything, also what a rollout that was killed left in the networks. Safe to call twice."""
        with self.lock:
            stores = {box.id: box for box in self._stores()}
            boxes = [*self.edge, *self.application, *others]
            self.boxes.clear()
            networks, self.networks = self.networks, {}
            volumes, self.volumes = self.volumes, {}
        found = {box.id: box for box in (*boxes, *self.engine.in_networks(networks.values()))}
        # Stores last: Docker waits seconds for the end of a container that looks for a name which is gone.
        remove_in_turn([*(box for name, box in found.items() if name not in stores), *stores.values()])
        each(self.engine.remove_network, networks.values())
        each(self.engine.remove_volume, volumes.values())

    def _stores(self) -> list[Box]:
        others = {self.contract.edge, self.contract.application}
        return [box for name, found in self.boxes.items() if name not in others for box in found]

    def _all(self) -> list[tuple[Service, Box]]:
        services = self.topology.services
        return [(services[name], box) for name, found in self.boxes.items() for box in found]

    def hardened(self, service: str, made: Service) -> Hardening:
        """Return the options of a service's containers, with a check's changes to the application's."""
        hardened = hardening(made)
        if service == self.contract.application:
            change(hardened, self.plan.options)
        return hardened

    def _environment(self, service: str, made: Service) -> dict[str, str]:
        if service != self.contract.application:
            return dict(made.environment)
        kept = {name: value for name, value in made.environment.items() if name not in self.plan.removed}
        own = {"PYTHONPATH": OVERLAY} if self.plan.overlay.package else {}
        return kept | own | resolve(self.plan.environment, self._addresses())

    def _addresses(self) -> dict[str, str]:
        """What stands for a named address in a setting: every chain of trusted proxies ends at the edge."""
        given = named_addresses(self.prefix)
        edge = self.topology.services[self.contract.edge].networks[self.shared].ipv4_address
        return given | {"proxy": f"{given['proxy']},{edge}", "direct": self.gateway(self.public)}

    def _overlay(self, service: str) -> list[tuple[str, str, str]]:
        if service != self.contract.application or not self.plan.overlay.package:
            return []
        return [(str(self.folder / "overlay"), OVERLAY, "ro")]


def named_addresses(prefix: str) -> dict[str, str]:
    """The addresses of the named clients in the public network."""
    return {name: f"{prefix}.{_FIRST_NAMED + number}" for number, name in enumerate(ADDRESSES)}


def each(work: Callable[[S], T], things: Iterable[S]) -> list[T]:
    """Do the same for every thing at once; the first error is raised when all have ended."""
    todo = list(things)
    if not todo:
        return []
    with ThreadPoolExecutor(max_workers=len(todo)) as pool:
        return [future.result() for future in [pool.submit(work, thing) for thing in todo]]


def remove_in_turn(boxes: Iterable[Box]) -> None:
    """Remove containers of the same networks; the first error is raised when all have been tried.

    Docker before 24 can lock up for good where two leave a network at the same moment (moby/moby#46661).
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        for future in [pool.submit(box.remove) for box in boxes]:
            future.result()


def dead(found: Realised) -> Iterator[Casualty]:
    """Yield the components that have ended, the one-shot ones that ended well aside."""
    if not found.engine.in_networks(found.networks.values(), ended=True):
        return
    needs = [
        (other, d.condition) for s in found.topology.services.values() for other, d in s.depends_on.items()
    ]
    once = {name for name, condition in needs if condition == _ONCE}
    for name, boxes in [*found.boxes.items()]:
        for box in [*boxes]:
            status = box.exit_status()
            if status is not None and not (name in once and status == 0):
                yield Casualty(name, StartFailure(status=status, output=box.logs()))
