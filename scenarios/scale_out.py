"""Stairs, each twice as high as the one before, up to the stated rate: where a deployment stops keeping up.

The last of them is meant to be more than it can do, so that no service level is promised of this shape. The
rate that is served on the stairs past the knee is the deployment's capacity.
"""

from __future__ import annotations

from typing import Final

from harness.load.generator import Phase
from scenarios.journey import Recordings

STAIRS: Final = 4


class ScaleOut(Recordings):
    """Stairs of equal length."""

    judged = False

    def phases(self, rate: float, for_s: float) -> list[Phase]:
        """Return a phase for each stair."""
        heights = [rate / 2**below for below in reversed(range(STAIRS))]
        return [Phase(for_s=for_s / STAIRS, from_rate=height, to_rate=height) for height in heights]
