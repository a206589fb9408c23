"""More load than a topology's replicas can carry, and what they carried of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from harness.load.scaling import Stage
from harness.probes.load import LoadProbe
from harness.probes.topology import TopologyProbe, cgroup
from harness.runtimes.part import Part

_LOADED_S: Final = 6.0
_OVER: Final = 1.4  # times what the replicas can do: a queue that forms, and not one that topples them
_COST_S: Final = 0.006  # of processor time a request, before any was measured
_TRIES: Final = 4

_STEP_S: Final = 4.0
_FIRST: Final = 0.85  # of what the replicas should be able to do
_RISE: Final = 1.25
_STEPS: Final = 9  # from the first, more than seven times as much
_DOUBTS: Final = 2  # runs at one rate that has to be too much for it


class ScalingProbe:
    """Loads one deployment's replicas. It learns what a request costs."""

    def __init__(self, load: LoadProbe, topology: TopologyProbe, *, cpus: float) -> None:
        """cpus: processors that each replica is to have."""
        self._load = load
        self._topology = topology
        self._cpus = cpus
        self._cost_s = _COST_S

    def overload(self) -> Stage:
        """Ask more of the replicas there are than they can do; return what they did.

        Under too much load a server spends its time on what it cannot finish: what it then serves is less
        than its capacity.
        """
        replicas = self._topology.replicas()
        for _ in range(_TRIES):
            stage = self._loaded(replicas, _OVER * self._able(len(replicas)), _LOADED_S)
            self._cost_s = stage.cost_s
            # The first rate is a guess: where it was hardly too much, what a request cost says the next one.
            if stage.held_back and not stage.kept_up:
                break
        return stage

    def capacity(self) -> Stage:
        """Ask ever more of the replicas there are, until it is too much; return that last run.

        It carries the most that they kept up with before.
        """
        replicas = self._topology.replicas()
        rate, most, doubts = _FIRST * self._able(len(replicas)), 0.0, 0
        for _ in range(_STEPS):
            stage = self._loaded(replicas, rate, _STEP_S)
            if stage.kept_up:
                self._cost_s = stage.cost_s
                most, doubts, rate = stage.served, 0, rate * _RISE
                continue
            doubts += 1
            if doubts == _DOUBTS:
                break
        return replace(stage, before=most)

    def _able(self, replicas: int) -> float:
        """Return how many requests a second so many replicas have the processors for."""
        return replicas * self._cpus / self._cost_s

    def _loaded(self, replicas: tuple[Part, ...], rate: float, for_s: float) -> Stage:
        before = [cgroup(part) for part in replicas]
        result = self._load.run("scale_out", rate=round(rate, 1), for_s=for_s)
        after = [cgroup(part) for part in replicas]
        pairs = [*zip(before, after, strict=True)]
        return Stage(
            replicas=len(replicas),
            result=result,
            throttled=min(now.throttled - then.throttled for then, now in pairs),
            used_s=sum(now.usage_s - then.usage_s for then, now in pairs),
        )
