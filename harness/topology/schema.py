"""The part of a Compose file (version 2.4) that the harness realises. What it does not know, it refuses.

A key that was taken and then ignored would bring up another topology than docker-compose does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from harness.tomlfile import Closed

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Size = Annotated[str, Field(pattern=r"^\d+[bkmg]?$")]
Duration = Annotated[str, Field(pattern=r"^(\d+(ms|s|m|h))+$")]
Command = Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment(Closed):
    """A service's place in a network: a fixed address, and names beside the service's own."""

    ipv4_address: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency(Closed):
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthcheck(Closed):
    """test: `[CMD, program, ...]`. The harness asks by it at its own pace, until the service is healthy."""

    test: Annotated[tuple[str, ...], Field(min_length=2)]
    interval: Duration = "30s"
    timeout: Duration = "30s"
    retries: Annotated[int, Field(ge=1)] = 3
    start_period: Duration = "0s"

    def __post_init__(self) -> None:
        if self.test[0] != "CMD":
            raise ValueError("test begins with CMD: a program and its arguments, without a shell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging(Closed):
    driver: Literal["json-file"]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Closed):
    """One service. volumes, ports, tmpfs: in Compose's short notation. x_secrets: the secret files it finds
    in /run/secrets."""

    image: str
    command: Command | None = None
    user: str = ""
    scale: Annotated[int, Field(ge=1)] = 1
    read_only: bool = False
    init: bool = False
    privileged: bool = False
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ()
    mem_limit: Size | None = None
    memswap_limit: Size | None = None
    cpus: Annotated[float, Field(gt=0)] | None = None
    pids_limit: Annotated[int, Field(gt=0)] | None = None
    shm_size: Size | None = None
    oom_kill_disable: bool = False
    restart: Literal["no", "on-failure", "always", "unless-stopped"] = "no"
    stop_signal: str | None = None
    stop_grace_period: Duration | None = None
    dns_opt: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[Name, Attachment] = field(default_factory=dict)
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    depends_on: Mapping[Name, Dependency] = field(default_factory=dict)
    healthcheck: Healthcheck | None = None
    logging: Logging | None = None
    x_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Closed):
    subnet: str
    ip_range: str | None = None
    gateway: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipam(Closed):
    config: Annotated[tuple[Pool, ...], Field(min_length=1, max_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(Closed):
    """internal: no route out, and Docker publishes no port of it."""

    internal: bool = False
    ipam: Ipam


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Closed):
    """A named volume, with Docker's own driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology(Closed):
    """A whole file."""

    version: Literal["2.4"]
    services: Annotated[Mapping[Name, Service], Field(min_length=1)]
    networks: Mapping[Name, Network] = field(default_factory=dict)
    volumes: Mapping[Name, Volume] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, service in self.services.items():
            _known(f"services.{name}.networks", service.networks, self.networks)
            _known(f"services.{name}.depends_on", service.depends_on, self.services)
            for other, dependency in service.depends_on.items():
                if dependency.condition == "service_healthy" and not self.services[other].healthcheck:
                    raise ValueError(f"services.{name}.depends_on: {other} has no healthcheck")
            named = [text.partition(":")[0] for text in service.volumes]
            _known(f"services.{name}.volumes", [v for v in named if v[:1] not in "./"], self.volumes)
        self.waves()

    def waves(self) -> list[list[str]]:
        """Return the services in the order of their dependencies; those of one list may start together.

        Raises ValueError where services wait for one another.
        """
        waiting, started, order = dict(self.services), set[str](), list[list[str]]()
        while waiting:
            wave = [name for name, service in waiting.items() if started >= set(service.depends_on)]
            if not wave:
                raise ValueError(f"these services wait for one another: {', '.join(waiting)}")
            order.append(wave)
            started.update(wave)
            for name in wave:
                del waiting[name]
        return order


def _known(where: str, used: Mapping[str, object] | list[str], known: Mapping[str, object]) -> None:
    for name in used:
        if name not in known:
            raise ValueError(f'{where}: there is no "{name}"; known here: {", ".join(sorted(known))}')
