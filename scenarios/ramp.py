"""From a tenth of the stated rate up to it, then held as long: a morning, and what warms up in it."""

from __future__ import annotations

from harness.load.generator import Phase
from scenarios.journey import Recordings


class Ramp(Recordings):
    """A slope and a plain."""

    def phases(self, rate: float, for_s: float) -> list[Phase]:
        """Return the two."""
        return [
            Phase(for_s=for_s / 2, from_rate=rate / 10, to_rate=rate),
            Phase(for_s=for_s / 2, from_rate=rate, to_rate=rate),
        ]
