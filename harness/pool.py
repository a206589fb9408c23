"""Which worker tries what next: longest first, waits beside work, measurements last and alone. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Final

from harness.costs import CostClass

# Bringing a deployment up for less work than this costs more than it saves.
_WORTH_S: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Items that one worker tries one after another.

    items: positions in the collection. home: the deployment that it shares with other units, "" for none.
    late: it dirties that deployment, and comes after those that do not.
    """

    items: tuple[int, ...]
    home: str
    cost: CostClass
    seconds: float
    late: bool = False


class Pool:
    """The units that are left, and who has what.

    A worker keeps to the deployments that it has brought up, as long as there is work for them. Not more than
    `busy` workers have work that uses the processors, while units are left that mostly wait. Measurements are
    given to the last worker, once it is alone.
    """

    def __init__(self, units: Sequence[Unit], *, busy: int) -> None:
        self._left = sorted(units, key=lambda unit: (unit.late, -unit.seconds))
        self._busy = busy
        self._homes: dict[str, set[str]] = {}
        self._under_way: dict[str, Unit] = {}

    @property
    def empty(self) -> bool:
        """Whether nothing is left to be given out."""
        return not self._left

    def join(self, worker: str) -> None:
        """Count a worker in."""
        self._homes.setdefault(worker, set())

    def leave(self, worker: str, unit: Unit | None = None) -> None:
        """Count a worker out; `unit` is what it leaves undone."""
        self._homes.pop(worker, None)
        self._under_way.pop(worker, None)
        if unit is not None:
            self._left.insert(0, unit)

    def take(self, worker: str) -> Unit | None:
        """Return the worker's next unit; None where there is none for it now."""
        work = [unit for unit in self._left if unit.cost != "measuring"]
        if not work and len(self._homes) == 1:
            work = self._left
        unit = self._best(worker, work)
        if unit is None:
            self._under_way.pop(worker, None)
            return None
        self._left.remove(unit)
        self._under_way[worker] = unit
        if unit.home:
            self._homes[worker].add(unit.home)
        return unit

    def _best(self, worker: str, work: Sequence[Unit]) -> Unit | None:
        waiting = [unit for unit in work if unit.cost == "waiting"]
        others = (unit for other, unit in self._under_way.items() if other != worker)
        if waiting and sum(unit.cost != "waiting" for unit in others) >= self._busy:
            work = waiting
        own = self._homes[worker]
        near = [unit for unit in work if not unit.home or unit.home in own]
        if own and near:
            return near[0]
        home = self._home(work)
        return next((unit for unit in work if unit.home == home), near[0] if near else None)

    def _home(self, work: Sequence[Unit]) -> str | None:
        """Return the deployment that is worth a further worker; None where there is none."""
        left: dict[str, float] = defaultdict(float)
        for unit in work:
            if unit.home:
                left[unit.home] += unit.seconds
        shared = {home: spent / (1 + self._at(home)) for home, spent in left.items()}
        best = max(shared, key=shared.__getitem__, default=None)
        if best is None or (self._at(best) and shared[best] < _WORTH_S and len(self._homes) > 1):
            return None
        return best

    def _at(self, home: str) -> int:
        return sum(home in homes for homes in self._homes.values())

    def seconds(self) -> dict[CostClass, float]:
        """Return the seconds that are left, by class."""
        spent: dict[CostClass, list[float]] = defaultdict(list)
        for unit in self._left:
            spent[unit.cost].append(unit.seconds)
        return {cost: fsum(values) for cost, values in spent.items()}
