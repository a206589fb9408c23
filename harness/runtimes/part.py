"""One container of a topology, for faults and looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from harness.runtimes import Completed
from harness.runtimes.engine import Box
from harness.runtimes.services import volume_paths

if TYPE_CHECKING:
    from harness.runtimes.realised import Realised


class Part:
    """service: its name in the topology. host: what its processes call their machine."""

    def __init__(self, service: str, box: Box, found: Realised) -> None:
        self.service = service
        self._box = box
        self._found = found

    @property
    def host(self) -> str:
        return self._box.name

    @property
    def tier(self) -> Literal["edge", "application", "data"]:
        """What it is in the topology."""
        contract = self._found.contract
        if self.service == contract.edge:
            return "edge"
        return "application" if self.service == contract.application else "data"

    @property
    def url(self) -> str:
        """Where a replica is reached past the edge, from this machine."""
        plan = self._found.plan
        return f"{plan.scheme}://{self.addresses()[self._found.shared]}:{plan.launch.port}"

    @property
    def published(self) -> tuple[tuple[str, int], ...]:
        """Address and port of this machine, of each port that it publishes."""
        ports = self.attributes()["NetworkSettings"]["Ports"] or {}
        return tuple((one["HostIp"], int(one["HostPort"])) for found in ports.values() for one in found or ())

    @property
    def confined(self) -> bool:
        """Whether each of its networks is internal, as Docker has it."""
        return all(self._found.engine.is_internal(name) for name in self._box.addresses())

    def remove(self) -> None:
        """Tell it to stop, wait until it has, and remove it."""
        self._found.drop(self.service, self._box)

    def attributes(self) -> dict[str, Any]:
        """What `docker inspect` says of it."""
        return self._box.attributes()

    def addresses(self) -> dict[str, str]:
        """Its address in each of its networks, by the topology's names."""
        real = self._box.addresses()
        return {name: real[known] for name, known in self._found.networks.items() if known in real}

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        """Run a command in it, as its user. Raises `ProbeFailed`."""
        return self._box.execute(argv, stdin=stdin, timeout_s=timeout_s)

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of every file in its named volumes."""
        for path in volume_paths(self._found.topology.services[self.service], self._found.volumes):
            yield from self._box.files(path)

    def logs(self) -> str:
        """Everything it has printed."""
        return self._box.logs()

    def signal(self, signal: str) -> None:
        """Send a signal to its main process."""
        self._box.signal(signal)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._box.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._box.resume()

    def start(self) -> None:
        """Start it again."""
        self._box.start()

    @contextmanager
    def with_share_of_cpu(self, share: float) -> Iterator[None]:
        """Cut its quota of processor time to a share of itself for the block; without a quota it has none."""
        quota = int(self.attributes()["HostConfig"]["NanoCpus"])
        if not quota:
            yield
            return
        self._box.limit_cpu(int(quota * share))
        try:
            yield
        finally:
            self._box.limit_cpu(quota)

    def exit_status(self) -> int | None:
        """Exit status of its main process; None while it runs."""
        return self._box.exit_status()

    def cut_off(self) -> None:
        """Take it out of all its networks."""
        for name in self._found.topology.services[self.service].networks:
            self._box.leave(self._found.networks[name])

    def reconnect(self) -> None:
        """Put it back into all its networks."""
        for name in self._found.topology.services[self.service].networks:
            self._box.enter(self._found.place(self.service, name))
