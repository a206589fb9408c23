"""Arguments: "hold" or "release", database file, seconds at most. Holds SQLite's write lock from a process
of its own."""

import os
import sqlite3
import sys
import time
from pathlib import Path

action, file, limit = sys.argv[1:]
flag = Path(f"{file}.held")


def holder(ready: int) -> None:
    """Take the lock, say so, and keep it until the flag is gone."""
    connection = sqlite3.connect(file, timeout=5, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    flag.write_text(str(os.getpid()))
    os.write(ready, b"held")
    os.close(ready)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    end = time.monotonic() + float(limit)
    while flag.exists() and time.monotonic() < end:
        time.sleep(0.01)
    connection.execute("ROLLBACK")
    connection.close()


def alive(pid: int) -> bool:
    """Whether the holder still runs; a zombie, which nobody reaps in a container, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


if action == "release":
    pid = int(flag.read_text()) if flag.exists() else 0
    flag.unlink(missing_ok=True)
    while pid and alive(pid):
        time.sleep(0.01)
    sys.exit(0)
if not Path(file).is_file():
    print(file, file=sys.stderr)  # noqa: T201
    sys.exit(3)
read, write = os.pipe()
if os.fork() == 0:
    os.close(read)
    os.setsid()
    try:
        holder(write)
    finally:
        os._exit(0)
os.close(write)
print(os.read(read, 16).decode() or "not held")  # noqa: T201
