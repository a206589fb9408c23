"""Looks at this machine until its standard input ends; run as a script, of the standard library alone.

    watching.py RUN_ID

Every 5 ms it wakes up, and notes how late. Twice a second it prints, as one JSON line, what happened since:
see `harness.disturbance.Moment`. Its times are those of the monotonic clock, which all processes share.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator

STEP_S = 0.005
MOMENT_S = 0.5
RUN_VARIABLE = "HARNESS_RUN_ID"
RUN_LABEL = "panotti.harness.run"
_TICKS = os.sysconf("SC_CLK_TCK")
_SOCKET = "/var/run/docker.sock"
_CONTAINER = re.compile(r"[0-9a-f]{64}")
_SHOWN = 3
# These work for whoever asked Docker for something, which may be this run.
_FOR_ALL = ("dockerd", "containerd", "docker-", "runc", "fuse-overlayfs")
_KERNEL = "2"  # the parent of the kernel's threads
_ENOUGH = 1 << 20


class Processes:
    """Every process of the machine, and whether it belongs to this run."""

    def __init__(self, run_id: str) -> None:
        self._mark = f"{RUN_VARIABLE}={run_id}".encode()
        self._run_id = run_id
        self._containers: dict[str, bool] = {}
        self._own: dict[tuple[str, str], bool] = {}
        self._threads: set[str] = set()
        self._ancestors = set(_ancestors(str(os.getpid())))
        self._before = {}
        self._before = self._ticks()

    def busy(self) -> dict[str, float]:
        """Return the processor seconds of others since the last call, by name."""
        now, found = self._ticks(), Counter[str]()
        for key, (name, ticks) in now.items():
            # One that was not there before began in this moment: all of its time counts.
            spent = ticks - self._before[key][1] if key in self._before else ticks
            if spent > 0 and not self._is_own(key, name):
                found[name] += spent
        self._before = now
        return {name: ticks / _TICKS for name, ticks in found.most_common(_SHOWN)}

    def _ticks(self) -> dict[tuple[str, str], tuple[str, int]]:
        """Name and ticks of each process, by its number and when it began."""
        found = {}
        for pid in os.listdir("/proc"):  # noqa: PTH208 - half the time
            if not pid.isdigit() or pid in self._threads or not (fields := _stat(pid)):
                continue
            if fields[2] == _KERNEL:
                self._threads.add(pid)
                continue
            found[pid, fields[20]] = (fields[0], int(fields[12]) + int(fields[13]))
        return found

    def _is_own(self, key: tuple[str, str], name: str) -> bool:
        if key not in self._own:
            pid = key[0]
            self._own[key] = (
                pid in self._ancestors
                or name.startswith(_FOR_ALL)
                or self._mark in _read(f"/proc/{pid}/environ").split(b"\0")
                or self._in_container(pid)
            )
        return self._own[key]

    def _in_container(self, pid: str) -> bool:
        found = _CONTAINER.search(_read(f"/proc/{pid}/cgroup").decode())
        if found is None:
            return False
        if found[0] not in self._containers:
            self._containers[found[0]] = False
            self._containers.update(dict.fromkeys(_containers(self._run_id), True))
        return self._containers[found[0]]


class Processors:
    """Seconds that the processors were idle, and that the hypervisor took; that this group was throttled."""

    def __init__(self) -> None:
        self._before = self._now()

    def passed(self) -> tuple[float, float, float]:
        """Return the seconds of each since the last call."""
        now = self._now()
        idle, stolen, throttled = (b - a for a, b in zip(self._before, now, strict=True))
        self._before = now
        return idle, stolen, throttled

    def _now(self) -> tuple[float, float, float]:
        fields = _read("/proc/stat").split(b"\n", 1)[0].split()
        return int(fields[4]) / _TICKS, int(fields[8]) / _TICKS, _throttled_s()


def main(run_id: str) -> None:
    """Print moments until the standard input ends."""
    processes, processors = Processes(run_id), Processors()
    began = time.monotonic()
    due, late_s = began + STEP_S, 0.0
    while True:
        now = time.monotonic()
        ended = bool(select.select([sys.stdin], [], [], max(due - now, 0.0))[0])
        now = time.monotonic()
        late_s = max(late_s, now - due)
        if ended or now - began >= MOMENT_S:
            _tell(began, now, late_s, processes.busy(), processors.passed())
            if ended:
                return
            began, late_s = now, 0.0
            now = time.monotonic()  # to look at all processes took a while
        due = max(due, now) + STEP_S


def _tell(
    began: float, ended: float, late_s: float, busy: dict[str, float], passed: tuple[float, float, float]
) -> None:
    took = ended - began
    idle, stolen, throttled = (round(seconds / took, 3) for seconds in passed)
    moment = {
        "began": round(began, 4),
        "ended": round(ended, 4),
        "late_ms": round(late_s * 1000, 2),
        "idle": idle,
        "stolen": stolen,
        "throttled": throttled,
        "others": {name: round(seconds / took, 3) for name, seconds in busy.items()},
    }
    sys.stdout.write(json.dumps(moment) + "\n")
    sys.stdout.flush()


def _stat(pid: str) -> list[str]:
    """The name of a process, and the fields of its `stat` from its number on; empty for one that is gone."""
    text = _read(f"/proc/{pid}/stat").decode(errors="replace")
    head, found, tail = text.rpartition(")")
    return [head.partition("(")[2], *tail.split()] if found else []


def _ancestors(pid: str) -> Iterator[str]:
    while fields := _stat(pid):
        yield pid
        pid = fields[2]


def _throttled_s() -> float:
    """How long the scheduler has held this process's control group back, by either version of the groups."""
    for line in _read("/proc/self/cgroup").decode().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            return _field(f"/sys/fs/cgroup/cpu{path}/cpu.stat", b"throttled_time") / 1e9
        if not controllers and (found := _field(f"/sys/fs/cgroup{path}/cpu.stat", b"throttled_usec")):
            return found / 1e6
    return 0.0


def _field(path: str, name: bytes) -> int:
    words = _read(path).split()
    return int(words[words.index(name) + 1]) if name in words else 0


def _read(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, _ENOUGH)
    except OSError:
        return b""  # it has ended meanwhile
    finally:
        os.close(file)


def _containers(run_id: str) -> list[str]:
    """The ids of the run's containers; none where Docker does not answer."""
    wanted = json.dumps({"label": [f"{RUN_LABEL}={run_id}"]}).replace('"', "%22")
    wanted = wanted.replace(" ", "%20").replace("{", "%7B").replace("}", "%7D")
    with contextlib.suppress(OSError, ValueError, KeyError), socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(2.0)
        asked.connect(_SOCKET)
        # HTTP/1.0: the answer ends with the connection, and is not in chunks.
        asked.sendall(f"GET /containers/json?filters={wanted} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        answer = b"".join(iter(lambda: asked.recv(65536), b""))
        return [str(one["Id"]) for one in json.loads(answer.partition(b"\r\n\r\n")[2])]
    return []


if __name__ == "__main__":
    main(sys.argv[1])
