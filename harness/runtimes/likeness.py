"""A container like one that stands: what is to be started, read back from what was.

A rollout may be driven by another process than the one that brought the topology up. What Docker tells of a
replica says in full how its successor is to be: limits, hardening, secrets, networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from harness.runtimes.engine import Request

_HOST: Final = {
    "read_only": "ReadonlyRootfs",
    "privileged": "Privileged",
    "init": "Init",
    "cap_drop": "CapDrop",
    "cap_add": "CapAdd",
    "security_opt": "SecurityOpt",
    "group_add": "GroupAdd",
    "mem_limit": "Memory",
    "memswap_limit": "MemorySwap",
    "nano_cpus": "NanoCpus",
    "pids_limit": "PidsLimit",
    "oom_kill_disable": "OomKillDisable",
    "shm_size": "ShmSize",
    "dns_opt": "DnsOptions",
    "log_config": "LogConfig",
}


def like(attributes: Mapping[str, Any], image: Mapping[str, Any]) -> Request:
    """Return how to start a container like the one described, without the restart policy.

    attributes, image: of a container and of its image, as `docker inspect` gives them.
    """
    config, host = attributes["Config"], attributes["HostConfig"]
    options = {option: host[name] for option, name in _HOST.items() if host.get(name)}
    own = _variables(image["Config"].get("Env"))
    return Request(
        image=attributes["Image"],
        environment={
            name: value for name, value in _variables(config.get("Env")).items() if own.get(name) != value
        },
        mounts=tuple(_mount(text) for text in host.get("Binds") or ()),
        tmpfs=host.get("Tmpfs") or {},
        options={**options, "user": config["User"]},
    )


def _variables(texts: Iterable[str] | None) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in texts or ())}


def _mount(text: str) -> tuple[str, str, str]:
    source, path, *mode = text.split(":")
    return source, path, mode[0] if mode else "rw"
