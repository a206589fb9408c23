"""The requests to the witness: as many as the target gets, in the same seconds, by a plan of their own."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import gevent
from gevent.pool import Group

from harness.load.generator.asking import TIMEOUT_S, client_for, exchange
from harness.load.generator.tally import Tally
from harness.load.order import Witness
from harness.load.schedule import Phase, due_times

# Half of the target's requests write: what keeps a disk busy is to be seen, too.
PATHS: Final = ("/", "/written")


class Beside:
    """Asks the witness, from the beginning of the plan until `stop`."""

    def __init__(
        self, witness: Witness, phases: Sequence[Phase], tally: Tally, wait: Callable[[float], None]
    ) -> None:
        """wait: returns when a `time.perf_counter()` second has come."""
        self._client = client_for(witness)
        self._plan: Iterator[float] = due_times(phases, random.random)
        self._paths = itertools.cycle(PATHS)
        self._tally = tally
        self._wait = wait
        self._requests = Group()
        self._scheduler = gevent.spawn(self._run)

    def stop(self) -> None:
        """Begin no more, and wait for what is under way."""
        self._scheduler.kill()
        self._requests.join(timeout=TIMEOUT_S)
        self._requests.kill()
        self._client.close()

    def _run(self) -> None:
        for due in self._plan:
            self._wait(self._tally.began + due)
            self._requests.spawn(self._ask, next(self._paths), due)

    def _ask(self, path: str, due: float) -> None:
        began = self._tally.began + due
        self._tally.slices.begun(due, time.perf_counter() - began, "witness")
        right = False
        try:
            status, _ = exchange(self._client, "GET", path, b"", {})
            right = status == 200
        except Exception:  # noqa: S110 - whatever the connection raises: it is no answer
            pass
        finally:
            # What is not answered tells of a disturbance, however soon it fails.
            taken_s = time.perf_counter() - began if right else TIMEOUT_S
            self._tally.slices.witnessed(due, taken_s * 1000)
