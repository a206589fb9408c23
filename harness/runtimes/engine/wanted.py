"""What is to be made: a container, its places in networks, a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A container to be started. ports: container ports, published on `publish`. options: for docker-py.

    labels: beside the run's own.
    """

    image: str
    command: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    publish: str = "127.0.0.1"
    mounts: tuple[tuple[str, str, str], ...] = ()
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
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
