"""A stated test on paired differences: is there an effect, how large, and how small a one could have been
seen?

Outliers are pulled in to the 10th and 90th percentile (winsorised), since latency has a long tail.
Neighbouring pairs
are averaged into at most 100 blocks, since noise comes in gusts. On the block means: a sign-flip
permutation test (two-
sided), a bootstrap interval of the mean, and the smallest effect that the test finds with the stated power.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

ALPHA: Final = 0.001  # of false alarms
POWER: Final = 0.9
_BLOCKS = 100
_LEAST_BLOCKS = 20
_FLIPS = 4000  # at least; a p-value cannot be smaller than one in so many
_RESAMPLES = 2000
_TAIL = 0.1
_CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A mean difference b - a with its 99 % interval, its p-value, and the smallest one that could
    be seen."""

    mean: float
    interval: tuple[float, float]
    p_value: float
    standard_error: float
    detectable: float
    pairs: int


def judge_pairs(
    differences: Sequence[float], *, alpha: float = ALPHA, power: float = POWER, seed: int = 1
) -> Effect:
    """Return the effect in `differences`. Raises ValueError with too few pairs to say anything."""
    if len(differences) < _LEAST_BLOCKS * 2:
        raise ValueError(f"{len(differences)} pairs are too few: at least {_LEAST_BLOCKS * 2} are needed")
    blocks = _blocks(_winsorised(differences))
    dice = random.Random(seed)  # noqa: S311 - a resampling test, repeatable on purpose
    error = statistics.stdev(blocks) / len(blocks) ** 0.5
    return Effect(
        mean=statistics.fmean(blocks),
        interval=_interval(blocks, dice),
        p_value=_p_value(blocks, dice, max(_FLIPS, round(4 / alpha))),
        standard_error=error,
        detectable=detectable(error, alpha=alpha, power=power),
        pairs=len(differences),
    )


def standard_error(differences: Sequence[float]) -> float:
    """Return the standard error alone, which says whether more samples are needed (and nothing of the
    effect)."""
    blocks = _blocks(_winsorised(differences))
    return float(statistics.stdev(blocks) / len(blocks) ** 0.5)


def detectable(error: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the smallest effect found with `power` at `alpha`, for a standard error."""
    normal = statistics.NormalDist()
    return (normal.inv_cdf(1 - alpha / 2) + normal.inv_cdf(power)) * error


def _winsorised(values: Sequence[float]) -> list[float]:
    ranked = sorted(values)
    cut = int(len(ranked) * _TAIL)
    low, high = ranked[cut], ranked[-cut - 1]
    return [min(max(value, low), high) for value in values]


def _blocks(values: Sequence[float]) -> list[float]:
    size = max(len(values) // _BLOCKS, 1)
    whole = len(values) - len(values) % size
    return [statistics.fmean(values[at : at + size]) for at in range(0, whole, size)]


def _p_value(blocks: Sequence[float], dice: random.Random, flips: int) -> float:
    """The share of random sign flips whose sum is as far from zero as the one observed."""
    tables = [_sums(blocks[at : at + 8]) for at in range(0, len(blocks), 8)]
    total = sum(blocks)
    extreme = 0
    for _ in range(flips):
        flipped = sum(table[signs] for table, signs in zip(tables, dice.randbytes(len(tables)), strict=True))
        extreme += abs(total - 2 * flipped) >= abs(total)
    return (extreme + 1) / (flips + 1)


def _sums(blocks: Sequence[float]) -> list[float]:
    """The sum of every subset of at most eight blocks, by the byte that picks it (a missing block counts
    nothing)."""
    sums = [0.0] * 256
    for byte in range(256):
        sums[byte] = sum(block for at, block in enumerate(blocks) if byte >> at & 1)
    return sums


def _interval(blocks: Sequence[float], dice: random.Random) -> tuple[float, float]:
    n = len(blocks)
    means = sorted(sum(dice.choices(blocks, k=n)) / n for _ in range(_RESAMPLES))
    cut = round(_RESAMPLES * (1 - _CONFIDENCE) / 2)
    return means[cut], means[-cut - 1]
