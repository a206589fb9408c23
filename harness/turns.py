"""Turns of a run's processes: a measurement has the machine to itself.

Checks of other profiles, and servers that start, use the processors that a measured server and its load
generator need; figures taken beside them tell of the machine. All of them therefore hold a turn together
with each other, and a measurement takes one alone. A turn whose holder dies, however it dies, is free again.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final, Literal

Kind = Literal["checks", "starts"]
KINDS: Final[tuple[Kind, ...]] = ("checks", "starts")
_PAUSE_S: Final = 0.02


@contextmanager
def together(root: Path, kind: Kind) -> Iterator[None]:
    """Hold a turn of one kind beside others; wait while somebody has, or waits for, one alone.

    root: the run's directory.
    """
    with _held(root, f"{kind}-gate", fcntl.LOCK_SH):
        turn = _take(root, kind, fcntl.LOCK_SH)
    with turn:
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the only turn of all kinds. Whoever holds one together with others has to give it back first."""
    with ExitStack() as stack:
        for kind in KINDS:
            # Behind the gate nobody new comes in, so that those who are in become fewer.
            stack.enter_context(_held(root, f"{kind}-gate", fcntl.LOCK_EX))
            stack.enter_context(_held(root, kind, fcntl.LOCK_EX))
        yield


@contextmanager
def _held(root: Path, name: str, how: int) -> Iterator[None]:
    with _take(root, name, how):
        yield


def _take(root: Path, name: str, how: int) -> IO[bytes]:
    """Return an open file that holds the lock until it is closed."""
    folder = root / "turns"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = (folder / name).open("ab")
    try:
        while True:
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE_S)
            else:
                return file
    except BaseException:
        file.close()
        raise
