"""The connection to Docker: images, networks, volumes, and the starting of containers."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from harness.errors import RuntimeUnavailable
from harness.runtimes.engine.asking import asking, has_socket
from harness.runtimes.engine.box import Box, Plain
from harness.runtimes.engine.networks import RunNetwork, run_network
from harness.runtimes.engine.wanted import Place, Request, Subnet, SubnetTaken
from harness.watchdog import RUN_LABEL

CACHE_LABEL = "panotti.harness.cache"
_LAST_LINES = 25
# A deployment asks its parts itself while it starts. Docker would go on asking, by processes that it starts
# in all of them at times of its own: measurements would tell of those.
_UNASKED = {"test": ["NONE"]}


class Engine:
    """A connection to Docker for one run; what it makes carries the run's label."""

    def __init__(self, run_id: str) -> None:
        self.labels = {RUN_LABEL: run_id}
        self._memory = 0
        with asking("connecting to Docker"):
            if not has_socket():
                raise FileNotFoundError("its socket is not there")
            self._client = docker.from_env()
            self._client.ping()
        # The watchdog cleans up in any case; testcontainers' own reaper joins it where its image is here.
        unwanted = os.environ.get("TESTCONTAINERS_RYUK_DISABLED", "").lower() in {"1", "true", "yes"}
        here = self.image_id(testcontainers_config.ryuk_image) is not None
        testcontainers_config.ryuk_disabled = unwanted or not here

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def image_id(self, name: str) -> str | None:
        """Return the id of a local image, None where there is none."""
        with asking(f"looking for the image {name}"):
            try:
                return str(self._client.images.get(name).id)
            except ImageNotFound:
                return None

    def image(self, name: str) -> Mapping[str, object]:
        """Return an image's description as `docker inspect` gives it."""
        with asking(f"inspecting the image {name}"):
            return dict(self._client.images.get(name).attrs)

    def pull(self, name: str, *, silence_s: float) -> bool:
        """Pull an image; False when no registry has it, or none says anything for `silence_s`."""
        try:
            with closing(docker.from_env(timeout=silence_s)) as client:
                for _ in client.api.pull(name, stream=True, decode=True):
                    pass
        except (DockerException, OSError):
            return False
        return self.image_id(name) is not None

    def registry_has(self, name: str, *, within_s: float) -> bool:
        """Whether a registry answers for an image within the time given."""
        try:
            with closing(docker.from_env(timeout=within_s)) as client:
                client.api.inspect_distribution(name)
        except (DockerException, OSError):
            return False
        return True

    def version(self) -> str:
        """Return the daemon's version."""
        with asking("asking Docker's version"):
            return str(self._client.version()["Version"])

    def tag(self, name: str, new: str) -> None:
        """Give a local image one more name."""
        repository, _, tag = new.partition(":")
        with asking(f"naming the image {new}"):
            self._client.images.get(name).tag(repository, tag)

    def load_root(self, archive: Path, name: str) -> None:
        """Make an image of a root file system's tar archive."""
        repository, _, tag = name.partition(":")
        with asking(f"importing the image {name}"):
            self._client.api.import_image(
                src=str(archive), repository=repository, tag=tag, changes=[f"LABEL {CACHE_LABEL}=1"]
            )

    def build(self, context: Path, name: str, arguments: Mapping[str, str], stage: str = "") -> None:
        """Build an image, or only up to a stage of its recipe.

        Raises `RuntimeUnavailable` with the last lines of a build that fails.
        """
        lines: list[str] = []
        with asking(f"building the image {name}"):
            stream = self._client.api.build(
                path=str(context),
                tag=name,
                rm=True,
                forcerm=True,
                decode=True,
                buildargs=dict(arguments),
                target=stage or None,
                labels={CACHE_LABEL: "1"},
            )
            for chunk in stream:
                lines.append(str(chunk.get("stream", chunk.get("error", ""))))
                if "error" in chunk:
                    shown = "\n".join(f"  | {x}" for x in "".join(lines).splitlines()[-_LAST_LINES:])
                    raise RuntimeUnavailable(
                        f"building the image {name} failed:\n{shown}", remedy="Correct what the lines name."
                    )

    def remove_image(self, name: str) -> None:
        """Remove an image's name, and the image where it has no other."""
        with asking(f"removing the image {name}"):
            self._client.images.remove(name, force=True)

    def save(self, name: str, path: Path) -> None:
        """Write an image as `docker save` does."""
        with asking(f"saving the image {name}"), path.open("wb") as file:
            file.writelines(self._client.images.get(name).save())

    def network(self) -> RunNetwork:
        """Make the run's bridge network, with subnets of its own for IPv4 and, where it can be had, IPv6."""
        return run_network(self.labels)

    def subnet(self, wanted: Subnet) -> str:
        """Make a bridge network; return its name. Raises `SubnetTaken`, `RuntimeUnavailable`."""
        pool = IPAMPool(subnet=wanted.subnet, iprange=wanted.pool, gateway=wanted.gateway)
        with asking(f"making the network {wanted.subnet}"):
            try:
                self._client.api.create_network(
                    wanted.name,
                    driver="bridge",
                    internal=wanted.internal,
                    ipam=IPAMConfig(pool_configs=[pool]),
                    labels=self.labels,
                )
            except APIError as refusal:
                if "overlap" in str(refusal):
                    raise SubnetTaken(wanted.subnet) from None
                raise
        return wanted.name

    def is_internal(self, name: str) -> bool:
        """Whether a network lets nothing out."""
        with asking("inspecting a network"):
            return bool(self._client.networks.get(name).attrs["Internal"])

    def remove_network(self, name: str) -> None:
        """Remove a network; one that is gone already is as good."""
        with asking("removing a network"), suppress(NotFound):
            self._client.networks.get(name).remove()

    def networks(self) -> tuple[str, ...]:
        """Return the subnets in use, of every network on this machine."""
        with asking("listing networks"):
            found = [network.attrs.get("IPAM") or {} for network in self._client.networks.list()]
        return tuple(str(pool.get("Subnet")) for ipam in found for pool in ipam.get("Config") or ())

    def volume(self, name: str) -> str:
        """Make a volume; return its name."""
        with asking(f"making the volume {name}"):
            self._client.volumes.create(name, labels=self.labels)
        return name

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone already is as good."""
        with asking("removing a volume"), suppress(NotFound):
            self._client.volumes.get(name).remove(force=True)

    def memory(self) -> int:
        """Return the bytes of memory that the daemon's machine has."""
        if not self._memory:
            with asking("asking for the machine's memory"):
                self._memory = int(self._client.info()["MemTotal"])
        return self._memory

    def place(
        self, request: Request, ports: Mapping[int, tuple[str, int | None]], places: Sequence[Place]
    ) -> Box:
        """Start a container in several networks; the first one publishes. Raises `RuntimeUnavailable`."""
        box = self.make(request, ports, places)
        try:
            box.start()
        except BaseException:
            box.remove()
            raise
        return box

    def make(
        self, request: Request, ports: Mapping[int, tuple[str, int | None]], places: Sequence[Place]
    ) -> Box:
        """Make a container as `place` does, and do not start it."""
        first, *others = places
        endpoint = EndpointConfig(
            self._client.api._version,  # noqa: SLF001
            aliases=list(first.aliases),
            ipv4_address=first.address,
        )
        with asking(f"making a container of {request.image}"):
            container = self._client.containers.create(
                request.image,
                command=list(request.command) if request.command is not None else None,
                environment=dict(request.environment),
                ports={f"{port}/tcp": where for port, where in ports.items()},
                volumes={source: {"bind": path, "mode": mode} for source, path, mode in request.mounts},
                tmpfs=dict(request.tmpfs),
                labels={**request.labels, **self.labels},
                network=first.network,
                networking_config={first.network: endpoint},
                **{"healthcheck": _UNASKED, **request.options},
            )
            box = Box(Plain(container))
            try:
                for place in others:
                    box.enter(place)
            except BaseException:
                box.remove()
                raise
        return box

    def boxes(self, network: str = "") -> list[Box]:
        """Return the run's containers, or those in a network, also what has ended; the oldest first."""
        found = self._listed({"network": [network]} if network else {})
        return [Box(Plain(one)) for one in sorted(found, key=lambda one: str(one.attrs["Created"]))]

    def in_networks(self, networks: Collection[str], *, ended: bool = False) -> list[Box]:
        """Return the run's containers in any of some networks, or those of them that have ended.

        It is one question to Docker: their descriptions are not asked for.
        """
        if not networks:
            return []
        filters = {"network": [*networks]} | ({"status": ["exited", "dead"]} if ended else {})
        return [Box(Plain(one)) for one in self._listed(filters, sparse=True)]

    def _listed(self, filters: Mapping[str, list[str]], *, sparse: bool = False) -> list[Any]:
        own = {"label": [f"{name}={value}" for name, value in self.labels.items()]}
        with asking("listing containers"):
            found: list[Any] = self._client.containers.list(
                all=True, filters={**own, **filters}, ignore_removed=True, sparse=sparse
            )
        return found

    def run(self, request: Request, network: RunNetwork) -> Box:
        """Start a container in the run's network. Raises `RuntimeUnavailable`."""
        container = DockerContainer(request.image)
        container.env = dict(request.environment)
        container.ports = {f"{port}/tcp": (request.publish, None) for port in request.ports}  # type: ignore[misc]
        container.tmpfs = dict(request.tmpfs)
        for source, path, mode in request.mounts:
            container.with_volume_mapping(source, path, mode)
        if request.command is not None:
            container.with_command(list(request.command))
        endpoint = EndpointConfig(self._client.api._version, ipv4_address=request.address)  # noqa: SLF001
        container.with_kwargs(
            labels=self.labels,
            network=network.name,
            networking_config={network.name: endpoint},
            **{"healthcheck": _UNASKED, **request.options},
        )
        box = Box(container)
        try:
            with asking(f"starting a container of {request.image}"):
                container.start()
        except BaseException:
            box.remove()
            raise
        return box
