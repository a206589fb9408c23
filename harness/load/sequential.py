"""Does a share of slow requests keep its bound? Two sequential tests at once (Lorden's 2-SPRT, 1976). Pure.

One test gathers evidence against "no more than the allowed share is slow", the other against "at least twice
the allowed share is slow". Each keeps the capital of a fair bet (Waudby-Smith and Ramdas 2024): where its
hypothesis is true, the capital ever exceeds 1/error with at most the probability `error` (Ville's
inequality), however often one looks, and over all tries together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log, log1p
from typing import Final

# In allowed shares: what a pass has to refute, and what it is weighed against.
TOO_SLOW: Final = 2.0
HEALTHY: Final = 0.125
# A target with `TOO_SLOW` times the allowed share passes at most so often.
BETA: Final = 0.04
# A pause reaches every request that is under way: slow requests come in clusters. A pass allows for clusters
# of so many, and a slice's evidence against the target counts as many at most, or `_CAP` times the share.
CLUSTER: Final = 3
_COUNTED: Final = 2
_CAP: Final = 4.0
# The parts of the capital that are bet on a slice: small ones find small excesses, large ones great ones.
_BETS: Final = (0.125, 0.25, 0.5)
_TOP: Final = 0.9


@dataclass(slots=True, kw_only=True)
class Excess:
    """The evidence on one bound.

    share: the part of the requests that may be slow, above 0 and below 1. cluster: how many slow requests
    may have one cause.
    """

    share: float
    cluster: int = CLUSTER
    _against: list[float] = field(default_factory=lambda: [0.0] * len(_BETS))
    _for: float = 0.0

    @property
    def against(self) -> float:
        """Logarithm of the evidence that more than the share is slow."""
        top = max(self._against)
        return top + log(sum(exp(one - top) for one in self._against) / len(_BETS))

    @property
    def support(self) -> float:
        """Logarithm of the evidence that less than twice the share is slow."""
        return self._for

    def charge(self, slow: int, requests: int) -> None:
        """Take a slice as evidence against the target. It may depend on what else is in the slice."""
        if requests:
            counted = min(slow, max(_COUNTED, _CAP * self.share * requests)) / requests
            for number, part in enumerate(_BETS):
                self._against[number] += log1p(part * (counted / self.share - 1))

    def credit(self, slow: int, requests: int) -> None:
        """Take a slice as evidence for the target."""
        healthy, twice = HEALTHY * self.share, min(TOO_SLOW * self.share, _TOP)
        whole, rest = divmod(slow, self.cluster)
        lost = 1 - healthy / twice
        self._for += (
            requests * (twice - healthy) / self.cluster
            + whole * log1p(-lost)
            + log1p(-lost * rest / self.cluster)
        )

    def broken(self, alpha: float) -> bool:
        """Whether more than the share is slow. Where that is not so, it is found with at most `alpha`."""
        return self.against >= needed(alpha)

    def holds(self) -> bool:
        """Whether less than twice the share is slow. Where not, that is found with at most `BETA`."""
        return self.support >= needed(BETA)


def needed(error: float) -> float:
    """Return the logarithm of the evidence that decides, with at most this probability of an error."""
    return -log(error)
