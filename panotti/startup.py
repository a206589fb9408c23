"""Waiting for the servers that this one depends on: what starts together is not there at the same moment."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from time import monotonic

from panotti.backends import Backends
from panotti.errors import StartError, UnreachableError
from panotti.logs import log
from panotti.settings import Settings

PAUSE = 0.25


def await_dependencies(settings: Settings, backends: Backends) -> None:
    """Returns when both answer. Raises StartError naming what did not within `startup_timeout` seconds."""
    # The first process of a container ignores a signal that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        asyncio.run(_await(settings, backends))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


async def _await(settings: Settings, backends: Backends) -> None:
    deadline = monotonic() + settings.startup_timeout
    waits = {"database": backends.store.reach, "counters": backends.counters.reach}
    await asyncio.gather(
        *(_reached(name, reach, deadline, settings.startup_timeout) for name, reach in waits.items())
    )


async def _reached(name: str, reach: Callable[[], Awaitable[None]], deadline: float, bound: float) -> None:
    told = False
    while True:
        try:
            return await reach()
        except UnreachableError as error:
            if monotonic() >= deadline:
                raise StartError([f"{error} (waited {bound:g} s, the startup_timeout)"]) from error
            if not told:
                log.warning("waiting", dependency=name, cause=str(error), seconds=bound)
                told = True
        await asyncio.sleep(PAUSE)
