"""Two steps up to the stated rate, which is then held: what is served when more is asked than can be done.

The height is meant to be more than it can do, so that no service level is promised of this shape. Requests do
not wait for answers, but queue where the bottleneck is: what is answered each second is then the capacity.

    harness load scale_out --rate 140 --for 12
"""

from __future__ import annotations

from harness.load.generator import Phase
from scenarios.journey import Recordings


class ScaleOut(Recordings):
    """A quarter of the height, half of it, and the height."""

    judged = False

    def phases(self, rate: float, for_s: float) -> list[Phase]:
        """Return the three; the last one takes three quarters of the time."""
        step = for_s / 8
        return [
            Phase(for_s=step, from_rate=rate / 4, to_rate=rate / 4),
            Phase(for_s=step, from_rate=rate / 2, to_rate=rate / 2),
            Phase(for_s=for_s - 2 * step, from_rate=rate, to_rate=rate),
        ]
