"""The pool of workers, as a scheduler of pytest-xdist.

xdist's controller collects nothing: its first worker leaves the plan in a file, in the order of its items,
which is that of every worker. A worker begins an item only once it knows the one after it, so that each has
one unit more than it works on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NoReturn

import orjson

from harness.pool import Pool, Unit
from harness.secretly import write_secretly

PLAN: Final = "plan"
_AHEAD: Final = 2  # items without which a worker does not go on


def write_plan(path: Path, units: Sequence[Unit]) -> None:
    """Leave the plan for the controller."""
    write_secretly(units, path)


def read_plan(path: Path) -> tuple[Unit, ...]:
    """Return the plan that the first worker left."""
    return tuple(Unit(**{**told, "items": tuple(told["items"])}) for told in orjson.loads(path.read_bytes()))


@dataclass(slots=True)
class _Worker:
    """What a worker has been given and has not finished: its units, and the items of each."""

    queue: list[tuple[Unit, list[int]]] = field(default_factory=list)

    @property
    def pending(self) -> int:
        return sum(len(items) for _, items in self.queue)


class PoolScheduling:
    """See `xdist.scheduler.protocol.Scheduling`. nodes are xdist's handles of its workers."""

    def __init__(self, plan: Path, workers: int) -> None:
        self._plan = plan
        self._expected = workers
        self._collected: dict[Any, Sequence[str]] = {}
        self._workers: dict[Any, _Worker] = {}
        self._pool: Pool | None = None

    @property
    def nodes(self) -> list[Any]:
        """The workers that are there."""
        return list(self._workers)

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker has collected."""
        return len(self._collected) >= self._expected

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to be given out, and no worker waits for more."""
        if self._pool is None or not self._pool.empty:
            return False
        return all(worker.pending < _AHEAD for worker in self._workers.values())

    @property
    def has_pending(self) -> bool:
        """Whether an item is not finished."""
        left = self._pool is not None and not self._pool.empty
        return left or any(worker.pending for worker in self._workers.values())

    def add_node(self, node: Any) -> None:
        """Take a worker in."""
        self._workers[node] = _Worker()

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """Take note of what a worker has collected: the same as every other."""
        first = next(iter(self._collected.values()), collection)
        if list(collection) != list(first):
            raise RuntimeError(f"{node.gateway.id} has collected other checks than the worker before it")
        self._collected[node] = collection
        if self._pool is not None:
            self._pool.join(node.gateway.id)

    def schedule(self) -> None:
        """Give every worker its first units."""
        if self._pool is None:
            self._pool = Pool(read_plan(self._plan), busy=(os.cpu_count() or 1) + 1)
            for node in self._workers:
                self._pool.join(node.gateway.id)
        for node in self.nodes:
            self._feed(node)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Take note of a finished item; give its worker more."""
        del duration
        worker = self._workers[node]
        for entry in worker.queue:
            if item_index in entry[1]:
                entry[1].remove(item_index)
                if not entry[1]:
                    worker.queue.remove(entry)
                break
        self._feed(node)

    def remove_node(self, node: Any) -> str | None:
        """Let go of a worker; return the item in which it died, None where it had ended."""
        worker = self._workers.pop(node)
        assert self._pool is not None or not worker.queue
        crashed = None
        if worker.queue:
            crashed = self._collected[node][worker.queue[0][1].pop(0)]
        if self._pool is not None:
            self._pool.leave(node.gateway.id)
            for unit, items in worker.queue:
                if items:
                    self._pool.leave(node.gateway.id, replace(unit, items=tuple(items)))
        for other in self.nodes:
            self._feed(other)
        return crashed

    def mark_test_pending(self, item: str) -> NoReturn:
        """Nothing of a pool is taken back."""
        raise NotImplementedError(item)

    def remove_pending_tests_from_node(self, node: Any, indices: Sequence[int]) -> NoReturn:
        """Nothing of a pool is stolen."""
        raise NotImplementedError(node, indices)

    def _feed(self, node: Any) -> None:
        """Give a worker units until it can go on; let it end where there are none for it.

        The last one stays for the measurements, which begin once the others have ended.
        """
        worker, pool = self._workers[node], self._pool
        if pool is None or node.shutting_down:
            return
        while worker.pending < _AHEAD:
            unit = pool.take(node.gateway.id)
            if unit is None:
                break
            worker.queue.append((unit, list(unit.items)))
            node.send_runtest_some(list(unit.items))
        if worker.pending < _AHEAD and (pool.empty or self._others_go_on(node)):
            node.shutdown()

    def _others_go_on(self, node: Any) -> bool:
        return any(other is not node and not other.shutting_down for other in self._workers)
