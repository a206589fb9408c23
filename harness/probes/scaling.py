"""More load than a topology's replicas can carry, and what they carried of it."""

from __future__ import annotations

from typing import Final

from harness.load.scaling import Stage
from harness.probes.load import LoadProbe
from harness.probes.topology import TopologyProbe, cgroup
from harness.runtimes.part import Part

_LOADED_S: Final = 6.0
_OVER: Final = 1.4  # times what the replicas can do: a queue that forms, and not one that topples them
_COST_S: Final = 0.006  # of processor time a request, before any was measured
_TRIES: Final = 4


class ScalingProbe:
    """Loads one deployment's replicas. It learns what a request costs."""

    def __init__(self, load: LoadProbe, topology: TopologyProbe, *, cpus: float) -> None:
        """cpus: processors that each replica is to have."""
        self._load = load
        self._topology = topology
        self._cpus = cpus
        self._cost_s = _COST_S

    def stage(self) -> Stage:
        """Ask more of the replicas there are than they can do; return what they did."""
        replicas = self._topology.replicas()
        for _ in range(_TRIES):
            stage = self._loaded(replicas, _OVER * len(replicas) * self._cpus / self._cost_s)
            self._cost_s = stage.cost_s
            if not stage.kept_up:
                break
        return stage

    def _loaded(self, replicas: tuple[Part, ...], rate: float) -> Stage:
        before = [cgroup(part) for part in replicas]
        result = self._load.run("scale_out", rate=round(rate, 1), for_s=_LOADED_S)
        after = [cgroup(part) for part in replicas]
        pairs = [*zip(before, after, strict=True)]
        return Stage(
            replicas=len(replicas),
            result=result,
            throttled=min(now.throttled - then.throttled for then, now in pairs),
            used_s=sum(now.usage_s - then.usage_s for then, now in pairs),
        )
