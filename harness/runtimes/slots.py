"""How many servers may be starting at once on this machine, over all processes of a run.

A start is nearly all computing. More of them at once than processors end no sooner, and each takes so long
that time limits meant for one server run out.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

SLOTS: Final = (os.cpu_count() or 1) + 1  # one more, for what a start waits for
_PAUSE_S: Final = 0.02


@contextmanager
def slot(root: Path, count: int = SLOTS) -> Iterator[None]:
    """Hold one of `count` slots inside the block; wait for one first. root: the run's directory.

    A slot whose holder dies, however it dies, is free again.
    """
    folder = root / "slots"
    folder.mkdir(mode=0o700, exist_ok=True)
    while (held := _take(folder, count)) is None:
        time.sleep(_PAUSE_S)
    with held:
        yield


def _take(folder: Path, count: int) -> IO[bytes] | None:
    for number in range(count):
        file = (folder / str(number)).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file
    return None
