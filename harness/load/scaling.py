"""What several counts of replicas serve, measured in turn and compared within each turn. Pure.

The share of N replicas is what they serve each second over N times what one serves; 1 is linear scaling. One
round measures every count within seconds, so that what else happens to the machine meets all of them. Of the
shares' logarithms the mean over the rounds has an interval by Student's t, either end of which is wrong with
the chance `ALPHA`. It is looked at after each round from the third to the eighth: that a share on one side of
the least is taken for one on the other has a chance of at most six times `ALPHA`, 1.5 %.

Other work on the machine must not read as a fault, nor as none. A replica that used its quota up had its
processor time. Where one did not, either the machine had processors to spare, and something else holds the
replica back, or nothing is known and the round does not count. Too little served is held against the replicas
only where the machine had processors to spare.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.load.levels import IDLE
from harness.records import Chart, Line, Table

ALPHA: Final = 0.0025
# Student's t at 1 - ALPHA, by the number of rounds; with fewer the interval is too wide for anything.
_T: Final = {3: 14.089, 4: 7.453, 5: 5.598, 6: 4.773, 7: 4.317, 8: 4.029}
MOST: Final = max(_T)  # rounds
_HOPELESS: Final = 3  # spoilt rounds more than others
_HELD_BACK: Final = 0.75  # of a slice's scheduling periods, those in which each replica's quota was used up


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A moment of one count of replicas under more load than they can do.

    served: writes that were acknowledged. periods, throttled: the scheduler's, and those in which the quota
    was used up, of the replica with the fewest; most_throttled: of the one with the most. used_s: processor
    seconds of all replicas. idle: the share of the machine that nobody used.
    """

    replicas: int
    for_s: float
    served: int
    periods: int
    throttled: int
    most_throttled: int
    used_s: float
    idle: float

    @property
    def rate(self) -> float:
        """Writes acknowledged each second."""
        return self.served / self.for_s

    @property
    def used(self) -> float:
        """Processors that the replicas used together."""
        return self.used_s / self.for_s

    @property
    def held_back(self) -> bool:
        """Whether each replica was at its quota."""
        return bool(self.periods) and self.throttled >= _HELD_BACK * self.periods

    @property
    def uneven(self) -> bool:
        """Whether one replica was at its quota while another was not: requests were not spread."""
        return self.most_throttled >= _HELD_BACK * max(self.periods, 1) and not self.held_back

    @property
    def telling(self) -> bool:
        """Whether the replicas, and not other work on the machine, made it what it is."""
        return self.held_back or self.idle >= IDLE


Cell = bool | int | float | str | None
Round = Mapping[int, Slice]  # by count of replicas, one among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The share of one count of replicas: its mean over the rounds, and the ends of its interval."""

    replicas: int
    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{_told(self.replicas)} serve {self.mean:.0%} of {self.replicas} times what one does "
            f"({self.low:.0%} to {self.high:.0%})"
        )


def telling(rounds: Sequence[Round]) -> list[Round]:
    """Return the rounds that other work has not spoilt, and in which one replica served something."""
    return [one for one in rounds if one[1].served and all(slice_.telling for slice_ in one.values())]


def shares(rounds: Sequence[Round]) -> list[Share]:
    """Return the share of every count above one, the highest first; none while there are too few rounds."""
    found = telling(rounds)
    if len(found) not in _T:
        return []
    counts = sorted({count for one in found for count in one if count > 1}, reverse=True)
    return [_share(count, found) for count in counts]


def decided(rounds: Sequence[Round], least: float) -> Literal["enough", "short"] | None:
    """Return whether every count serves its least share, or one does not; None while that is open."""
    found = shares(rounds)
    if found and all(share.low >= least for share in found):
        return "enough"
    if short(rounds, least):
        return "short"
    return None


def over(rounds: Sequence[Round], least: float) -> bool:
    """Whether more rounds are of no use: it is decided, or the machine is too busy to decide it."""
    good = len(telling(rounds))
    return decided(rounds, least) is not None or len(rounds) - good >= good + _HOPELESS


def short(rounds: Sequence[Round], least: float) -> list[Share]:
    """Return the shares that are below the least for certain, on a machine with processors to spare."""
    if any(slice_.idle < IDLE for one in telling(rounds) for slice_ in one.values()):
        return []
    return [share for share in shares(rounds) if share.high < least]


def open_because(rounds: Sequence[Round], least: float) -> str:
    """Return why nothing is decided."""
    spoilt = [slice_ for one in rounds for slice_ in one.values() if not slice_.telling]
    found = shares(rounds)
    if not found and spoilt:
        most = max(spoilt, key=lambda slice_: slice_.replicas)
        return (
            f"the machine was too busy to give {_told(most.replicas)} their quota: {most.idle:.0%} of it was "
            f"left over in a round, {len(spoilt)} moments were spoilt"
        )
    if not found:
        return "one replica served nothing"
    if all(share.high < least for share in found if share.low < least):
        return "the machine was too busy: what was served beside other work is not what can be served"
    return f"{'; '.join(map(str, found))}: too uncertain to hold against {least:.0%}"


def exhibits(rounds: Sequence[Round], least: float, *, title: str) -> tuple[Chart, Table]:
    """Return the curve over the count of replicas beside the least that is promised, and its figures."""
    counts = sorted({count for one in rounds for count in one})
    slices = {count: [one[count] for one in rounds] for count in counts}
    rates = {count: statistics.median(one.rate for one in slices[count]) for count in counts}
    curves = {
        "measured": [rates[count] for count in counts],
        "as many times one": [count * rates[1] for count in counts],
        f"{least:.0%} of that, the least": [
            (1.0 if count == 1 else least) * count * rates[1] for count in counts
        ],
    }
    chart = Chart(
        page="performance",
        title=f"Scaling: {title}",
        x="replicas",
        y="writes answered each second",
        lines=tuple(
            Line(
                name=name,
                points=tuple((float(count), round(at, 2)) for count, at in zip(counts, served, strict=True)),
            )
            for name, served in curves.items()
        ),
    )
    ends = {share.replicas: share for share in shares(rounds)}
    return chart, _table([_row(slices[count], ends.get(count)) for count in counts], title)


def _share(count: int, rounds: Sequence[Round]) -> Share:
    logs = [math.log(max(one[count].rate, 1e-9) / count / one[1].rate) for one in rounds]
    mean, number = statistics.fmean(logs), len(logs)
    reach = _T[number] * statistics.stdev(logs) / math.sqrt(number)
    return Share(
        replicas=count, mean=math.exp(mean), low=math.exp(mean - reach), high=math.exp(min(mean + reach, 50))
    )


def _row(slices: Sequence[Slice], share: Share | None) -> tuple[Cell, ...]:
    seconds = sum(one.for_s for one in slices)
    periods = sum(one.periods for one in slices)
    return (
        *(slices[0].replicas, len(slices), round(seconds, 1)),
        *(round(sum(one.served for one in slices) / seconds, 1),),
        *((round(share.mean, 2), round(share.low, 2), round(share.high, 2)) if share else (None, None, None)),
        round(1000 * sum(one.used_s for one in slices) / max(sum(one.served for one in slices), 1), 2),
        round(sum(one.throttled for one in slices) / periods, 2) if periods else None,
        round(min(one.idle for one in slices), 2),
    )


def _table(rows: Sequence[tuple[Cell, ...]], title: str) -> Table:
    return Table(
        page="performance",
        title=f"Scaling: {title}",
        columns=(
            *("replicas", "moments", "seconds", "answered a second"),
            *("of as many times one", "at least", "at most"),
            *("ms of processor time a write", "of the periods at the quota", "machine left over, least"),
        ),
        rows=tuple(rows),
    )


def _told(replicas: int) -> str:
    return "1 replica" if replicas == 1 else f"{replicas} replicas"
