"""The stated rate from the first second to the last: what service levels are promised for."""

from __future__ import annotations

from harness.load.generator import Phase
from scenarios.journey import Recordings


class Steady(Recordings):
    """One phase."""

    def phases(self, rate: float, for_s: float) -> list[Phase]:
        """Return the one phase."""
        return [Phase(for_s=for_s, from_rate=rate, to_rate=rate)]
