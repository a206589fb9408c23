"""What a worker does beside its requests, again and again, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from panotti.logs import log


class Recurring:
    """Does `work` every `interval` seconds. What fails is logged, and done again after the next interval."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, interval: float) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Ends it, also amid its work."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._work()
            except asyncio.CancelledError as error:
                # Not this task's: something that the work waited for was cancelled.
                if self._task is None or self._task.cancelling():
                    raise
                self._failed(error)
            except Exception as error:
                self._failed(error)

    def _failed(self, error: BaseException) -> None:
        log.error("background_task_failed", task=self._name, again_in=self._interval, exc_info=error)
