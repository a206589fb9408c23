"""A container's options: the hardened ones, what the contract says otherwise, and a check's changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.contract import Container as Declared
from harness.contract import Launch
from harness.defects import Container as Change
from harness.errors import HarnessError
from harness.tomlfile import nearest

NANO = 1_000_000_000
LOOPBACK = "127.0.0.1"


@dataclass(slots=True, kw_only=True)
class Hardening:
    """Options for docker-py, and what is not one of its options: published address, mounts, environment."""

    options: dict[str, Any]
    publish: str = LOOPBACK
    mounts: list[tuple[str, str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> tuple[int, int] | None:
        """User and group as numbers; None for the image's own user, or one given by name."""
        user, _, group = str(self.options.get("user") or "").partition(":")
        return (int(user), int(group or user)) if user.isdigit() and (group or user).isdigit() else None


def harden(declared: Declared, changes: Iterable[Change]) -> Hardening:
    """Return the options of one container. Raises `HarnessError` for an option that nobody knows."""
    hardening = Hardening(
        options={
            "user": declared.user,
            "read_only": declared.read_only,
            "cap_drop": list(declared.cap_drop),
            "cap_add": list(declared.cap_add),
            "security_opt": list(declared.security_opt),
            "mem_limit": declared.mem_limit,
            "memswap_limit": declared.mem_limit,
            "nano_cpus": int(declared.cpus * NANO),
            "pids_limit": declared.pids_limit,
        }
    )
    change(hardening, changes)
    return hardening


def change(hardening: Hardening, changes: Iterable[Change]) -> None:
    """Apply a check's changes. Raises `HarnessError` for an option that nobody knows."""
    for one in changes:
        _apply(hardening, one)


def tmpfs(launch: Launch, owner: tuple[int, int] | None) -> dict[str, str]:
    """The writable places of a read-only container, closed to everybody but the server's user."""
    whose = f",uid={owner[0]},gid={owner[1]},mode=0700" if owner else ",mode=1777"
    common = f"noexec,nosuid,nodev{whose}"
    return {
        "/tmp": f"size=64m,{common}",  # noqa: S108  inside the container
        launch.paths.data: f"size=64m,{common}",
        launch.paths.state: f"size=32m,{common}",
        **launch.container.tmpfs,
    }


def _apply(hardening: Hardening, change: Change) -> None:
    try:
        convert = _CHANGES[change.option]
    except KeyError:
        raise HarnessError(
            f'container option "{change.option}": {nearest(change.option, _CHANGES)}',
            remedy="harness/runtimes/hardening.py lists the options that can be changed.",
        ) from None
    convert(hardening, change)


def _set(hardening: Hardening, change: Change) -> None:
    if change.value is None:
        hardening.options.pop(change.option, None)
    else:
        hardening.options[change.option] = change.value


def _set_list(hardening: Hardening, change: Change) -> None:
    hardening.options[change.option] = [word for word in str(change.value or "").split(",") if word]


def _set_number(hardening: Hardening, change: Change) -> None:
    if change.value is None:
        hardening.options.pop(change.option, None)
    else:
        hardening.options[change.option] = int(change.value)


def _set_memory(hardening: Hardening, change: Change) -> None:
    for option in ("mem_limit", "memswap_limit"):
        _set(hardening, Change(option=option, value=change.value))


def _set_publish(hardening: Hardening, change: Change) -> None:
    hardening.publish = str(change.value or LOOPBACK)


def _add_mount(hardening: Hardening, change: Change) -> None:
    """source:path:mode, for example the Docker socket."""
    source, path, mode = str(change.value).split(":")
    hardening.mounts.append((source, path, mode))


def _add_variable(hardening: Hardening, change: Change) -> None:
    """NAME=value."""
    name, _, value = str(change.value).partition("=")
    hardening.environment[name] = value


_CHANGES: Mapping[str, Callable[[Hardening, Change], None]] = {
    "user": _set,
    "read_only": _set,
    "privileged": _set,
    "pid_mode": _set,
    "ipc_mode": _set,
    "userns_mode": _set,
    "cap_drop": _set_list,
    "cap_add": _set_list,
    "security_opt": _set_list,
    "pids_limit": _set_number,
    "nano_cpus": _set_number,
    "mem_limit": _set_memory,
    "publish": _set_publish,
    "mount": _add_mount,
    "environment": _add_variable,
}
