"""One service of a topology as docker-py wants it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.runtimes.hardening import NANO, Hardening
from harness.topology.schema import Service

_SAME: Final = (
    *("user", "read_only", "init", "privileged", "mem_limit", "memswap_limit", "pids_limit", "shm_size"),
    *("oom_kill_disable", "stop_signal"),
)
_LISTS: Final = ("cap_drop", "cap_add", "security_opt", "dns_opt")
Mount = tuple[str, str, str]
Ports = dict[int, tuple[str, int | None]]


def hardening(service: Service) -> Hardening:
    """Return the options of a service's containers, without the restart policy.

    A container that ends before its deployment is ready is a failed start, not one to be tried again: the
    policy is set once it is ready.
    """
    options: dict[str, Any] = {name: value for name in _SAME if (value := getattr(service, name))}
    options |= {name: [*value] for name in _LISTS if (value := getattr(service, name))}
    if service.cpus is not None:
        options["nano_cpus"] = int(service.cpus * NANO)
    if service.logging:
        options["log_config"] = {"Type": service.logging.driver, "Config": dict(service.logging.options)}
    return Hardening(options=options)


def restart_policy(service: Service) -> dict[str, Any]:
    """Return it as Docker wants it."""
    return {"Name": service.restart, "MaximumRetryCount": 0}


def ports(service: Service) -> Ports:
    """Return where each container port is published: address and port, None for any that is free."""
    found = {}
    for text in service.ports:
        host, inside = text.rsplit(":", 1)
        address, _, port = host.rpartition(":")
        found[int(inside)] = (address or "0.0.0.0", int(port) if port else None)  # noqa: S104 - Docker's default
    return found


def mounts(service: Service, volumes: Mapping[str, str], folder: Path) -> list[Mount]:
    """Return what is mounted: named volumes under their real names, paths from `folder`."""
    found = []
    for text in service.volumes:
        source, path, *mode = text.split(":")
        real = volumes.get(source) or str((folder / source).resolve() if source.startswith(".") else source)
        found.append((real, path, mode[0] if mode else "rw"))
    return found


def volume_paths(service: Service, volumes: Mapping[str, str]) -> list[str]:
    """Return where a service's named volumes are mounted in it."""
    return [path for real, path, _ in mounts(service, volumes, Path()) if real in volumes.values()]


def tmpfs(service: Service) -> dict[str, str]:
    """Return the file systems in memory, with their options."""
    return {path: options for path, _, options in (text.partition(":") for text in service.tmpfs)}
