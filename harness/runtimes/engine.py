"""Docker: the only importer of testcontainers and docker-py. Refusals become messages with a remedy."""

from __future__ import annotations

import os
import secrets
import socket
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import EndpointConfig, IPAMConfig, IPAMPool
from docker.utils.socket import frames_iter
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from harness.errors import ProbeFailed, RuntimeUnavailable
from harness.runtimes import Completed
from harness.watchdog import RUN_LABEL

CACHE_LABEL = "panotti.harness.cache"
_SOCKET = "/var/run/docker.sock"
_ANSWER_S = 3.0
_SUBNET_TRIES = 20
_LAST_LINES = 25
_NO_DOCKER = "Start Docker, or use --runtime process; `harness doctor` says what this machine can do."


def docker_answers() -> bool:
    """Whether a Docker daemon answers within 3 s."""
    if not _has_socket():
        return False
    try:
        with closing(docker.from_env(timeout=_ANSWER_S)) as client:
            return bool(client.ping())
    except (DockerException, OSError):
        return False


def _has_socket() -> bool:
    """Whether the local socket stands: asked in vain, docker-py leaves its own end open."""
    scheme, _, path = os.environ.get("DOCKER_HOST", f"unix://{_SOCKET}").partition("://")
    return scheme != "unix" or Path(path).exists()


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn whatever Docker answers, or does not answer, into `RuntimeUnavailable`."""
    try:
        yield
    except (DockerException, OSError) as cause:
        if isinstance(cause, APIError) and cause.status_code is not None:
            explanation = str(cause.explanation or cause)
            if "no space left on device" in explanation:
                raise RuntimeUnavailable(
                    f"{what}: the disk is full",
                    remedy="Free some space; `docker system df` shows what is used.",
                ) from None
            raise RuntimeUnavailable(
                f"{what}: Docker refused: {explanation}", remedy="Correct what Docker names."
            ) from None
        raise RuntimeUnavailable(f"{what}: Docker does not answer ({cause})", remedy=_NO_DOCKER) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A container to be started. ports: container ports, published on `publish`. options: for docker-py."""

    image: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    publish: str = "127.0.0.1"
    mounts: tuple[tuple[str, str, str], ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A container's place in a network: by which names and, where it matters, at which address."""

    network: str
    aliases: tuple[str, ...] = ()
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """A network to be made. pool: the part of it that Docker gives addresses from."""

    name: str
    subnet: str
    gateway: str | None
    pool: str | None
    internal: bool


class SubnetTaken(Exception):
    """Another network has these addresses."""


class Engine:
    """A connection to Docker for one run; what it makes carries the run's label."""

    def __init__(self, run_id: str) -> None:
        self.labels = {RUN_LABEL: run_id}
        with asking("connecting to Docker"):
            if not _has_socket():
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
        with asking("making the run's network"):
            for attempt in range(_SUBNET_TRIES):
                # 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no other network should be using it.
                prefix = f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
                network = _network(prefix, self.labels, ipv6=attempt < _SUBNET_TRIES // 2)
                try:
                    network.create()
                except APIError as refusal:
                    _close_client(network)
                    if attempt == _SUBNET_TRIES - 1:
                        raise
                    if "overlap" not in str(refusal) and "IPv6" not in str(refusal):
                        raise
                else:
                    return RunNetwork(network=network, prefix=prefix)
        raise AssertionError("unreachable: the last try returns or raises")

    def subnet(self, wanted: Subnet) -> str:
        """Make a bridge network; return its name. Raises `SubnetTaken`, `RuntimeUnavailable`."""
        pool = IPAMPool(subnet=wanted.subnet, iprange=wanted.pool, gateway=wanted.gateway)
        with asking(f"making the network {wanted.subnet}"):
            try:
                self._client.networks.create(
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
        with asking("asking for the machine's memory"):
            return int(self._client.info()["MemTotal"])

    def place(
        self, request: Request, ports: Mapping[int, tuple[str, int | None]], places: Sequence[Place]
    ) -> Box:
        """Start a container in several networks; the first one publishes. Raises `RuntimeUnavailable`."""
        first, *others = places
        endpoint = EndpointConfig(
            self._client.api._version,  # noqa: SLF001
            aliases=list(first.aliases),
            ipv4_address=first.address,
        )
        with asking(f"starting a container of {request.image}"):
            container = self._client.containers.create(
                request.image,
                command=list(request.command) if request.command is not None else None,
                environment=dict(request.environment),
                ports={f"{port}/tcp": where for port, where in ports.items()},
                volumes={source: {"bind": path, "mode": mode} for source, path, mode in request.mounts},
                tmpfs=dict(request.tmpfs),
                labels=self.labels,
                network=first.network,
                networking_config={first.network: endpoint},
                **request.options,
            )
            box = Box(_Plain(container))
            try:
                for place in others:
                    self._client.networks.get(place.network).connect(
                        container, aliases=list(place.aliases), ipv4_address=place.address
                    )
                container.start()
            except BaseException:
                box.remove()
                raise
        return box

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
            **request.options,
        )
        box = Box(container)
        try:
            with asking(f"starting a container of {request.image}"):
                container.start()
        except BaseException:
            box.remove()
            raise
        return box


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNetwork:
    """A run's network. Docker gives addresses below .128; those above are given by the harness."""

    network: Network
    prefix: str

    @property
    def name(self) -> str:
        return self.network.name

    @property
    def gateway(self) -> str:
        """Where requests to published ports come from, as the target sees it."""
        return f"{self.prefix}.1"

    def remove(self) -> None:
        """Remove it; one that is gone already is as good."""
        with asking("removing the run's network"), suppress(NotFound):
            self.network.remove()
        _close_client(self.network)


class _Plain:
    """A container that docker-py made: testcontainers knows one network for each."""

    def __init__(self, container: Any) -> None:
        self._wrapped = container

    def get_wrapped_container(self) -> Any:
        return self._wrapped

    def stop(self) -> None:
        self._wrapped.remove(force=True, v=True)


class Box:
    """One container."""

    def __init__(self, container: DockerContainer | _Plain) -> None:
        self._container = container

    @property
    def _docker(self) -> Any:
        return self._container.get_wrapped_container()

    def attributes(self) -> dict[str, Any]:
        """Return the container's description as `docker inspect` gives it, fresh."""
        with asking("inspecting a container"):
            self._docker.reload()
            return dict(self._docker.attrs)

    def exit_status(self) -> int | None:
        """Exit status of its main process; None while it runs."""
        state = self.attributes()["State"]
        return int(state["ExitCode"]) if state["Status"] in {"exited", "dead"} else None

    def published(self) -> dict[int, int]:
        """Host port by container port."""
        ports = self.attributes()["NetworkSettings"]["Ports"]
        return {int(name.split("/")[0]): int(where[0]["HostPort"]) for name, where in ports.items() if where}

    def address(self) -> str:
        """Its IPv4 address in the run's network."""
        (network,) = self.attributes()["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def logs(self) -> str:
        """Everything it has printed."""
        with asking("reading a container's log"):
            return bytes(self._docker.logs()).decode("utf-8", errors="replace")

    def log_since(self, second: int) -> list[tuple[str, str]]:
        """Return time stamp and text of every line on standard output and error since a second (Unix)."""
        with asking("reading a container's log"):
            raw = bytes(self._docker.logs(timestamps=True, since=max(second, 1)))
        lines = raw.decode("utf-8", errors="replace").split("\n")
        return [(stamp, text) for stamp, _, text in (line.partition(" ") for line in lines if line)]

    def files(self, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of every file below a folder of it."""
        with asking("reading a container's files"), tempfile.TemporaryFile() as file:
            chunks, _ = self._docker.get_archive(path)
            file.writelines(chunks)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        yield member.name, content.read()

    def pause(self) -> None:
        """Freeze its processes."""
        with asking("pausing a container"):
            self._docker.pause()

    def resume(self) -> None:
        """Let its processes go on."""
        with asking("resuming a container"):
            self._docker.unpause()

    def start(self) -> None:
        """Start it again after it ended."""
        with asking("starting a container again"):
            self._docker.start()

    def update(self, **limits: Any) -> None:
        """Change limits, or the restart policy, while it runs."""
        with asking("changing a container"):
            self._docker.update(**limits)

    def leave(self, network: str) -> None:
        """Disconnect it from a network."""
        with asking("disconnecting a container"):
            self._docker.client.networks.get(network).disconnect(self._docker, force=True)

    def enter(self, place: Place) -> None:
        """Connect it to a network."""
        with asking("connecting a container"):
            self._docker.client.networks.get(place.network).connect(
                self._docker, aliases=list(place.aliases), ipv4_address=place.address
            )

    def addresses(self) -> dict[str, str]:
        """Its IPv4 address by network."""
        networks = self.attributes()["NetworkSettings"]["Networks"]
        return {name: str(network["IPAddress"]) for name, network in networks.items()}

    @property
    def name(self) -> str:
        """Its host name: what the processes in it call their machine."""
        return str(self.attributes()["Config"]["Hostname"])

    def signal(self, signal: str) -> None:
        """Send a signal to its main process."""
        with asking("signalling a container"):
            self._docker.kill(signal)

    def wait(self, timeout_s: float) -> int:
        """Return its exit status. Raises `ProbeFailed` while it still runs after `timeout_s`."""
        try:
            return int(self._docker.wait(timeout=timeout_s)["StatusCode"])
        except (OSError, DockerException):
            status = self.exit_status()
            if status is None:
                raise ProbeFailed(f"the server still runs after {timeout_s:g} s") from None
            return status

    def execute(self, argv: Sequence[str], *, stdin: str, timeout_s: float) -> Completed:
        """Run a command in it. Raises `ProbeFailed` when it does not end in time."""
        with asking("running a command in a container"):
            api = self._docker.client.api
            task = api.exec_create(self._docker.id, list(argv), stdin=bool(stdin))["Id"]
            stream = api.exec_start(task, socket=True)
            out = _exchange(stream, stdin.encode(), timeout_s)
            status = api.exec_inspect(task)["ExitCode"]
        if out is None or status is None:
            raise ProbeFailed(f"{argv[0]}: did not end within {timeout_s:g} s")
        return Completed(status=int(status), stdout=out[0], stderr=out[1])

    def remove(self) -> None:
        """End and remove it; one that is gone already is as good."""
        with asking("removing a container"), suppress(NotFound):
            self._container.stop()
        if isinstance(self._container, DockerContainer):
            _close_client(self._container)


def _close_client(thing: DockerContainer | Network) -> None:
    """Every object of testcontainers opens a connection of its own, and does not always close it."""
    thing._docker.client.close()  # noqa: SLF001


def _exchange(stream: Any, stdin: bytes, timeout_s: float) -> tuple[str, str] | None:
    """Write standard input, read both outputs to their end; None when time ran out."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.start()
    outputs = {1: bytearray(), 2: bytearray()}
    try:
        if stdin:
            raw.sendall(stdin)
            raw.shutdown(socket.SHUT_WR)
        for number, data in frames_iter(stream, tty=False):
            outputs[number].extend(data)
    finally:
        timer.cancel()
        stream.close()
        raw.close()
    if late.is_set():
        return None
    return outputs[1].decode("utf-8", errors="replace"), outputs[2].decode("utf-8", errors="replace")


def _network(prefix: str, labels: Mapping[str, str], *, ipv6: bool) -> Network:
    pools = [IPAMPool(subnet=f"{prefix}.0/24", iprange=f"{prefix}.0/25", gateway=f"{prefix}.1")]
    if ipv6:
        unique = f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
        pools.append(IPAMPool(subnet=f"{unique}::/64"))
    return Network(
        docker_network_kw={
            "driver": "bridge",
            "ipam": IPAMConfig(pool_configs=pools),
            "enable_ipv6": ipv6,
            "labels": dict(labels),
        }
    )
