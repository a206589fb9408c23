"""A topology as it stands: its containers, what they publish, and who of them reaches whom."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.records import Json, Observation
from harness.runtimes import CannotShow, Deployment

if TYPE_CHECKING:
    from harness.runtimes.part import Part

_LISTEN: Final = "0A"  # TCP_LISTEN, as /proc/net/tcp writes it
_DEFAULT: Final = "00000000"  # the destination of a default route in /proc/net/route
# What Docker holds a container to.
_LIMITS: Final = (
    *("ReadonlyRootfs", "Privileged", "CapDrop", "CapAdd", "SecurityOpt", "Memory", "NanoCpus", "PidsLimit"),
    *("Tmpfs", "RestartPolicy"),
)
# Every container has bash and coreutils; each try ends by itself. Who refuses a connection has been reached.
_TRY: Final = """
for place in "$@"; do
  (said=$(LC_ALL=C timeout 1 bash -c "exec 3<>/dev/tcp/${place%:*}/${place##*:}" 2>&1)
   case "$?$said" in 0* | *refused*) echo "$place" ;; esac) &
done
wait
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One container. addresses: by network. ports: the TCP ports it listens on for others.

    published: address and port of this machine. confined: Docker lets nothing out of any of its networks.
    """

    service: str
    tier: str
    host: str
    addresses: dict[str, str]
    ports: tuple[int, ...]
    published: tuple[tuple[str, int], ...]
    confined: bool

    @property
    def places(self) -> tuple[str, ...]:
        """Every address and port where another container might reach it."""
        return tuple(f"{address}:{port}" for address in self.addresses.values() for port in self.ports)


class TopologyProbe:
    """Looks at the containers of one deployment. Raises NotVerified where it is none of several."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def parts(self) -> tuple[Part, ...]:
        """Return the containers."""
        try:
            return self._deployment.members()
        except CannotShow as cause:
            raise NotVerified(str(cause)) from None

    def replicas(self) -> tuple[Part, ...]:
        """Return the servers behind the edge."""
        return tuple(part for part in self.parts() if part.tier == "application")

    def members(self) -> tuple[Member, ...]:
        """Return what is seen of each container."""
        with waiting_for_target():
            found = tuple(_member(part) for part in self.parts())
        shown: list[Json] = [
            {
                "service": one.service,
                "tier": one.tier,
                "networks": [*one.addresses],
                "listens": [*one.ports],
                "published": [f"{host}:{port}" for host, port in one.published],
                "confined": one.confined,
            }
            for one in found
        ]
        record(Observation(subject=f"{len(found)} containers", data={"containers": shown}))
        return found

    def shape(self) -> dict[str, Json]:
        """Return what containers are made of: image, user, command, limits, rights, mounts, networks.

        Addresses, names and paths are left out: every deployment has its own.
        """
        with waiting_for_target():
            found = [(part.service, _shape(part)) for part in self.parts()]
        shape: dict[str, Json] = {}
        for service, one in sorted(found, key=lambda pair: (pair[0], str(pair[1]))):
            shape[f"{service} {sum(name.startswith(f'{service} ') for name in shape) + 1}"] = one
        record(Observation(subject=f"what {len(found)} containers are made of", data=shape))
        return shape

    def reached(self, source: Part, places: Iterable[str]) -> set[str]:
        """Return which of `places`, HOST:PORT, a container reaches: they take or refuse a connection."""
        tried = [*places]
        with waiting_for_target():
            done = source.execute(("bash", "-c", _TRY, "try", *tried), timeout_s=15)
        found = set(done.stdout.split())
        shown: list[Json] = [*sorted(found)]
        record(
            Observation(
                subject=f"{len(found)} of {len(tried)} places reached from {source.service}",
                data={"reached": shown, "tried": [*tried]},
            )
        )
        return found


def _member(part: Part) -> Member:
    return Member(
        service=part.service,
        tier=part.tier,
        host=part.host,
        addresses=part.addresses(),
        ports=_listening(part),
        published=part.published,
        confined=part.confined,
    )


def _shape(part: Part) -> Json:
    told = part.attributes()
    config, host = told["Config"], told["HostConfig"]
    mounts = sorted(f"{one['Type']} {one['Destination']} {one['RW']}" for one in told["Mounts"])
    return {
        "image": told["Image"],
        "user": config["User"],
        "command": [*(config["Entrypoint"] or ()), *(config["Cmd"] or ())],
        "variables": sorted(text.partition("=")[0] for text in config["Env"] or ()),
        "networks": sorted(part.addresses()),
        "mounts": [*mounts],
        **{name: host[name] for name in _LIMITS},
    }


def _read(part: Part, path: str) -> list[list[str]]:
    done = part.execute(("cat", path))
    return [line.split() for line in done.stdout.splitlines()[1:]]


def _listening(part: Part) -> tuple[int, ...]:
    """The ports of sockets that listen on more than the loopback."""
    rows = [*_read(part, "/proc/net/tcp"), *_read(part, "/proc/net/tcp6")]
    where = [row[1].split(":") for row in rows if row[3] == _LISTEN]
    return tuple(sorted({int(port, 16) for address, port in where if not address.endswith("7F")}))


def next_hop() -> str | None:
    """The address of the router that this machine reaches others by; None where it has none."""
    try:
        rows = [line.split() for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]]
    except OSError:
        return None
    hops = [row[2] for row in rows if row[1] == _DEFAULT and row[2] != _DEFAULT]
    return socket.inet_ntoa(bytes.fromhex(hops[0])[::-1]) if hops else None


def burn(part: Part, seconds: float) -> None:
    """Keep more processes busy in a container than the machine has processors, for a while."""
    with waiting_for_target():
        part.execute(("python", "-c", _BURN, str(seconds)), timeout_s=seconds + 30)


def devour(part: Part, most: int) -> int | None:
    """Let a container take memory until the kernel ends it, its main process first.

    Returns None when it was ended, else the bytes that it could take: `most`.
    """
    with waiting_for_target():
        done = part.execute(("python", "-c", _DEVOUR, str(most)), timeout_s=60)
    taken = int(done.stdout) if done.status == 0 else None
    record(
        Observation(
            subject=f"a container of {part.service} took memory",
            data={"asked_bytes": most, "taken_bytes": taken, "status": done.status},
        )
    )
    return taken


# Whoever runs as the same user may offer a process up; a container's first one takes the others along.
_BURN: Final = """
import os, sys, time
end = time.monotonic() + float(sys.argv[1])
children = [os.fork() for _ in range(os.cpu_count() + 1)]
while time.monotonic() < end:
    pass
"""
_DEVOUR: Final = """
import sys
open("/proc/1/oom_score_adj", "w").write("1000")
taken, most = [], int(sys.argv[1])
while sum(map(len, taken)) < most:
    taken.append(bytearray(b"x" * (8 << 20)))
print(sum(map(len, taken)))
"""
