"""Prints this server's processes as JSON: all that work in the directory in which this one was started.

Arguments and environment as hexadecimal; `writes`: the files open for writing, but for its output."""

import json
import os
import stat
from pathlib import Path

OUTPUTS = 3  # file descriptors below are input, output and errors


def writes(process: Path) -> list[str]:
    """The regular files that a process has open for writing."""
    found = set()
    for entry in (process / "fd").iterdir():
        try:
            flags = int((process / "fdinfo" / entry.name).read_text().split("flags:")[1].split()[0], 8)
            regular = stat.S_ISREG(entry.stat().st_mode)
        except OSError:
            continue
        if int(entry.name) >= OUTPUTS and regular and flags & os.O_ACCMODE:
            found.add(str(entry.readlink()))
    return sorted(found)


here, processes = Path("/proc/self/cwd").readlink(), []
for process in Path("/proc").iterdir():
    if not process.name.isdigit() or int(process.name) == os.getpid():
        continue
    try:
        if (process / "cwd").readlink() != here:
            continue
        arguments, environment = ((process / name).read_bytes().hex() for name in ("cmdline", "environ"))
        processes.append([int(process.name), arguments, environment, writes(process)])
    except OSError:  # it ended, or is somebody else's
        continue
print(json.dumps(processes))  # noqa: T201
