"""Is one deployment slower than another? Both are asked for the same at the same moments. Pure.

In each half second it is counted whose requests took longer than a threshold, which earlier slices set.
Where neither is slower, either is as likely to have more of them: what else the machine does, it does to
both. A bet on one of the two then wins as often as it loses (Ville's inequality, as in `sequential`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil, exp, log, log1p
from typing import Final, Literal

from harness.load.records import Slice
from harness.load.sequential import needed

Verdict = Literal["slower", "not slower", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """At a quantile, `same` times as slow is no regression, and `slower` times as slow is to be found."""

    quantile: float
    same: float
    slower: float


# Two servers of the same code differ by a few percent, by where their memory lies: that is no regression.
MARGINS: Final = (
    Margin(quantile=0.95, same=1.05, slower=1.2),
    Margin(quantile=0.995, same=1.25, slower=2.0),
)
ALPHA: Final = 0.04  # that one which is as quick is called slower
BETA: Final = 0.04  # that one which is `slower` times as slow is called not slower
_WARM_UP: Final = 6  # slices that set the first threshold
_BETS: Final = (0.1, 0.25, 0.5, 0.75)


@dataclass(slots=True)
class _Bet:
    """The capital of who bets that, of two, the second has more requests over the threshold."""

    capitals: list[float] = field(default_factory=lambda: [0.0] * len(_BETS))

    def take(self, first: int, second: int) -> None:
        """Take a slice."""
        if first or second:
            excess = (second - first) / (second + first)
            for number, part in enumerate(_BETS):
                self.capitals[number] += log1p(part * excess)

    def won(self, error: float) -> bool:
        """Whether it is decided, with at most this probability of an error."""
        top = max(self.capitals)
        return top + log(sum(exp(one - top) for one in self.capitals) / len(_BETS)) >= needed(error)


class Comparison:
    """Takes the slices of both, in their order."""

    def __init__(self) -> None:
        self.slices = 0
        self._seen: tuple[list[float], list[float]] = ([], [])
        self._slower = [_Bet() for _ in MARGINS]
        self._not_slower = [_Bet() for _ in MARGINS]

    def take(self, old: Slice, new: Slice) -> None:
        """Take what both did in the same half second."""
        values = (_values(old), _values(new))
        if self.slices >= _WARM_UP:
            for number, margin in enumerate(MARGINS):
                self._slower[number].take(*self._over(values, margin.quantile, margin.same))
                old_over, new_over = self._over(values, margin.quantile, margin.slower)
                self._not_slower[number].take(new_over, old_over)
        self.slices += 1
        for seen, found in zip(self._seen, values, strict=True):
            seen += found

    @property
    def verdict(self) -> Verdict:
        """Whether the new one is slower at one of the quantiles, or not so at any."""
        if any(bet.won(ALPHA / len(MARGINS)) for bet in self._slower):
            return "slower"
        return "not slower" if all(bet.won(BETA) for bet in self._not_slower) else "open"

    def quantiles(self, quantile: float) -> tuple[float, float]:
        """Return the milliseconds within which that share of the old one's and the new one's answers came."""
        old, new = (_quantile(sorted(seen), quantile) for seen in self._seen)
        return old, new

    def _over(
        self, values: tuple[Sequence[float], Sequence[float]], quantile: float, times: float
    ) -> tuple[int, int]:
        """Return how many of each are over the threshold, as if the old one took so many times as long."""
        old, new = self._seen
        threshold = _quantile(sorted(chain((value * times for value in old), new)), quantile)
        return (
            sum(value * times >= threshold for value in values[0]),
            sum(value >= threshold for value in values[1]),
        )


def compare(old: Sequence[Slice], new: Sequence[Slice]) -> Comparison:
    """Compare two runs slice by slice; it ends where the verdict is clear."""
    comparison = Comparison()
    for one, other in zip(old, new, strict=False):
        comparison.take(one, other)
        if comparison.verdict != "open":
            break
    return comparison


def _values(one: Slice) -> list[float]:
    return [value for found in one.latencies.values() for value in found]


def _quantile(ordered: Sequence[float], quantile: float) -> float:
    return ordered[ceil(quantile * len(ordered)) - 1] if ordered else 0.0
