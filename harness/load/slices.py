"""The plan in half seconds: which requests were due in each, and how each was answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, Literal

from harness.load.records import SLICE_S, Slice

Plan = Literal["target", "witness"]
_TARGET: Final = "target"


class Slices:
    """Collects requests by the slice that they were due in. Times are seconds from the plan's beginning."""

    def __init__(self, *plans: Plan) -> None:
        """plans: those that requests are begun by. A slice is over when each of them has got beyond it."""
        self._reached = dict.fromkeys(plans, 0)
        self._open: Counter[int] = Counter()
        self._latencies: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        self._failed: Counter[int] = Counter()
        self._witness: dict[int, list[float]] = defaultdict(list)
        self._late: dict[int, float] = defaultdict(float)
        self._taken: list[Slice] = []

    def begun(self, due: float, late_s: float, plan: Plan = "target") -> None:
        """Count a request that is begun now, so many seconds after it was due."""
        number = int(due / SLICE_S)
        self._reached[plan] = max(self._reached[plan], number)
        self._open[number] += 1
        self._late[number] = max(self._late[number], late_s * 1000)

    def answered(self, due: float, step: str, milliseconds: float, *, failed: bool) -> None:
        """Count the end of a request to the target."""
        number = int(due / SLICE_S)
        self._open[number] -= 1
        self._latencies[number][step].append(round(milliseconds, 3))
        self._failed[number] += failed

    def witnessed(self, due: float, milliseconds: float) -> None:
        """Count the end of a request to the witness."""
        number = int(due / SLICE_S)
        self._open[number] -= 1
        self._witness[number].append(round(milliseconds, 3))

    def over(self) -> Iterator[Slice]:
        """Yield those that have come to their end since the last call, in their order."""
        while len(self._taken) < min(self._reached.values()) and not self._open[len(self._taken)]:
            yield self._take()

    def all(self) -> tuple[Slice, ...]:
        """Return every slice of which each request has come to its end."""
        last = max(self._reached.values(), default=0)
        while len(self._taken) <= last and not self._open[len(self._taken)]:
            self._take()
        return tuple(self._taken)

    def _take(self) -> Slice:
        number = len(self._taken)
        taken = Slice(
            number=number,
            latencies={step: tuple(found) for step, found in self._latencies.pop(number, {}).items()},
            failed=self._failed[number],
            witness=tuple(self._witness.pop(number, ())),
            late_ms=round(self._late[number], 3),
        )
        self._taken.append(taken)
        return taken
