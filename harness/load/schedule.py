"""When requests are due: a plan that does not wait for answers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final

_ROUNDING: Final = 1e-9
_TURNS: Final = 4  # within so many, requests come as close to one another as those of many clients do


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """`for_s` seconds in which the rate goes evenly from `from_rate` to `to_rate` (requests a second)."""

    for_s: float
    from_rate: float
    to_rate: float

    @property
    def arrivals(self) -> float:
        """How many requests fall due in it; a fraction counts towards the next phase."""
        return (self.from_rate + self.to_rate) / 2 * self.for_s

    def at(self, count: float) -> float:
        """Return the second, from its beginning, at which `count` requests have fallen due."""
        if count <= 0:
            return 0.0
        # The root of count = from_rate * t + slope / 2 * t**2, in the form that a slope of zero leaves whole.
        slope = (self.to_rate - self.from_rate) / self.for_s
        return 2 * count / (self.from_rate + sqrt(max(self.from_rate**2 + 2 * slope * count, 0.0)))


def planned(phases: Iterable[Phase]) -> int:
    """Return how many requests a plan has."""
    return sum(1 for _ in due_times(phases))


def due_times(phases: Iterable[Phase], chance: Callable[[], float] = lambda: 0.0) -> Iterator[float]:
    """Yield the second at which each request is due, from the plan's beginning, in order.

    chance: a number from 0 on and below 1 for each of them: by how much of a few turns it is late. Clients do
    not take turns: without chance, no two requests would meet at a server that is quick.
    """
    plan = [*phases]
    whole = sum(phase.arrivals for phase in plan)
    turns = range(ceil(whole - _ROUNDING))
    counts = sorted(min(turn + _TURNS * chance(), whole) for turn in turns)
    number, before, began = 0, 0.0, 0.0
    for place, phase in enumerate(plan, start=1):
        after = before + phase.arrivals
        while number < len(counts) and (counts[number] < after - _ROUNDING or place == len(plan)):
            yield began + phase.at(counts[number] - before)
            number += 1
        before, began = after, began + phase.for_s
