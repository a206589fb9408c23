"""How likely a count is where each of so many trials has the same chance."""

from __future__ import annotations

from math import exp, lgamma, log


def at_least(count: int, trials: int, share: float) -> float:
    """Return the probability of `count` or more successes in `trials`, each with the chance `share`."""
    return min(sum(_exactly(one, trials, share) for one in range(max(count, 0), trials + 1)), 1.0)


def _exactly(count: int, trials: int, share: float) -> float:
    ways = lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)
    return exp(ways + count * log(share) + (trials - count) * log(1 - share))
