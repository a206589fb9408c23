"""Who listens on a port of this machine: another run may have taken the one that was free a moment ago."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"  # TCP_LISTEN, as /proc/net/tcp writes it


def listens(leader: int, port: int) -> bool:
    """Whether a process of the session that `leader` leads listens on a TCP port.

    True where the system does not tell (no Linux): then nothing is known against it.
    """
    wanted = {f"socket:[{inode}]" for inode in _listening(port)}
    if not (_PROC / "net" / "tcp").is_file():
        return True
    return any(wanted & set(_open_files(pid)) for pid in _session(leader)) if wanted else False


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _session(leader: int) -> Iterator[int]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                if os.getsid(int(entry.name)) == leader:
                    yield int(entry.name)
            except OSError:  # it ended
                continue


def _open_files(pid: int) -> Iterator[str]:
    try:
        entries = list((_PROC / str(pid) / "fd").iterdir())
    except OSError:
        return
    for entry in entries:
        try:
            yield str(entry.readlink())
        except OSError:
            continue
