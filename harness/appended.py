"""Appending to a file so that a line is on disk, and whole, before anybody acts on it."""

from __future__ import annotations

import os


def append(descriptor: int, line: bytes) -> None:
    """Write all of `line` and force it to disk. Raises OSError, and then nothing of it is left."""
    size, rest = os.fstat(descriptor).st_size, memoryview(line)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)  # half a line would read as a crash
        raise
