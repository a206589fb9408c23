"""A process of its own that outlives a killed harness and removes what its run left behind.

Started first, it reads one line from its standard input. The goodbye word ends it; the end of input without
that word means that the harness died, however it died, and everything that carries the run's mark is removed:
processes by HARNESS_RUN_ID in their environment, containers, networks, volumes by label, and the directory.

It imports little, and nothing of the harness: it must stand within 100 ms and needs no installed package.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

RUN_LABEL = "panotti.harness.run"
RUN_VARIABLE = "HARNESS_RUN_ID"
GOODBYE = "goodbye"
READY = "ready"
_PAUSE_S = 0.25
# A request to create a container that was under way when the harness died can land seconds later.
_QUIET_S = 3.0
# A topology is some ten containers, and a loaded Docker takes seconds to remove one.
_LIMIT_S = 90.0
_ASK_S = 10.0
_AT_ONCE = 8

Found = dict[str, Any]


def main(run_id: str, directory: str) -> None:
    """Wait for the goodbye word; at the end of input without it, clean up and leave."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    if sys.stdin.readline().strip() != GOODBYE:
        sweep(run_id, Path(directory), quiet_s=_QUIET_S)


def sweep(run_id: str, directory: Path, *, quiet_s: float = 0.0) -> None:
    """Remove everything of the run; go on until nothing new turned up for `quiet_s`, at most 90 s."""
    limit = time.monotonic() + _LIMIT_S
    quiet_at = time.monotonic() + quiet_s
    while True:
        found = kill_processes(run_id) + remove_docker_objects(run_id)
        remove_directory(directory)
        now = time.monotonic()
        if found:
            quiet_at = now + quiet_s
        elif now >= quiet_at:
            return
        if now >= limit:
            return
        time.sleep(_PAUSE_S)


def kill_processes(run_id: str) -> int:
    """Kill every process that inherited the run's variable, but not this one; return how many there were."""
    mark = f"{RUN_VARIABLE}={run_id}".encode()
    victims = [pid for pid in _pids() if pid != os.getpid() and mark in _environment(pid)]
    for pid in victims:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(victims)


def remove_docker_objects(run_id: str) -> int:
    """Remove the containers, networks and volumes that carry the run's label; return how many there were.

    Docker that does not answer counts as nothing found: there is nothing that could be done.
    """
    ask = _asker()
    if ask is None:
        return 0
    with contextlib.suppress(OSError, HTTPException, ValueError):
        return (
            _remove(ask, "/containers/json?all=1&", "/containers/{Id}?force=1&v=1", run_id)
            + _remove(ask, "/networks?", "/networks/{Id}", run_id)
            + _remove(ask, "/volumes?", "/volumes/{Name}?force=1", run_id)
        )
    return 0


def remove_directory(directory: Path) -> None:
    """Remove the run's directory, but nothing that is mounted into it."""
    if directory.exists():
        command = ["rm", "-rf", "--one-file-system", "--", str(directory)]
        subprocess.run(command, check=False, stderr=subprocess.DEVNULL)  # noqa: S603


def _pids() -> Iterable[int]:
    try:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return []


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


Ask = Callable[[str, str], "list[Found] | dict[str, list[Found]] | None"]


def _remove(ask: Ask, listing: str, removal: str, run_id: str) -> int:
    label = quote(json.dumps({"label": [f"{RUN_LABEL}={run_id}"]}))
    answer = ask("GET", f"{listing}filters={label}")
    objects = (answer.get("Volumes") or []) if isinstance(answer, dict) else (answer or [])

    def remove(group: list[Found]) -> None:
        for thing in group:
            with contextlib.suppress(OSError, HTTPException):
                ask("DELETE", removal.format_map(thing))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        pool.map(remove, neighbours(objects))
    return len(objects)


def neighbours(objects: Iterable[Found]) -> list[list[Found]]:
    """Group the containers that share a network, directly or by others; what is in none stays by itself.

    Docker before 24 can lock up for good where two leave a network at the same moment (moby/moby#46661).
    """
    groups: list[tuple[set[str], list[Found]]] = []
    for thing in objects:
        networks = set(thing.get("NetworkSettings", {}).get("Networks") or ())
        group = [thing]
        for names, found in [one for one in groups if one[0] & networks]:
            groups.remove((names, found))
            networks |= names
            group = found + group
        groups.append((networks, group))
    return [group for _, group in groups]


def _asker() -> Ask | None:
    """Return a function that asks Docker's API, or None where there is no daemon to be asked."""
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    scheme, _, rest = host.partition("://")
    if scheme == "unix" and not Path(rest).exists():
        return None
    if scheme not in {"unix", "tcp"}:
        return None

    def ask(method: str, path: str) -> list[Found] | dict[str, list[Found]] | None:
        connection = _UnixConnection(rest) if scheme == "unix" else HTTPConnection(rest, timeout=_ASK_S)
        with contextlib.closing(connection):
            connection.request(method, path)
            body = connection.getresponse().read()
        parsed: list[Found] | dict[str, list[Found]] | None = json.loads(body) if method == "GET" else None
        return parsed

    return ask


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_ASK_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_ASK_S)
        self.sock.connect(self._path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
