"""What a locustfile is written with. Importing it imports Locust, which patches the process: only there.

from harness.load.generator import Arrival, OpenUser, Phase, step

class Steady(OpenUser):
    def phases(self, rate, for_s):
        return [Phase(for_s=for_s, from_rate=rate, to_rate=rate)]

    @step(weight=1)
    def start(self, arrival: Arrival) -> None:
        arrival.ask("POST", self.paths["started"], json={"recordingId": "one"})
"""

from __future__ import annotations

from harness.load.generator.arrivals import OpenUser, step
from harness.load.generator.asking import Arrival, Wrong
from harness.load.schedule import Phase

__all__ = ["Arrival", "OpenUser", "Phase", "Wrong", "step"]
