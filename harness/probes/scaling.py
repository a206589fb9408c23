"""Counts of replicas under pressure, in turn: the edge sends requests to some of those that are up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Final, Self

from harness.evidence import waiting_for_target
from harness.load.machine import Processors
from harness.load.scaling import MOST, Round, Slice
from harness.probes.cpu import CpuMeter
from harness.probes.pressure import Pressure
from harness.runtimes import Deployment
from harness.runtimes.part import Part

_SETTLED_S: Final = 0.4  # until requests have spread over the replicas that get them anew


@contextmanager
def with_share_of_cpu(replicas: Iterable[Part], share: float) -> Iterator[None]:
    """Cut the quotas of replicas for the block: what they can do together must fit on this machine."""
    with ExitStack() as stack:
        for part in replicas:
            stack.enter_context(part.with_share_of_cpu(share))
        yield


class ScalingProbe:
    """Measures replicas of one deployment, all of them up, while they are under pressure; a context manager.

    At its end all of them get requests again.
    """

    def __init__(self, deployment: Deployment, replicas: Sequence[Part]) -> None:
        self._deployment = deployment
        self._replicas = replicas
        self._meters = [CpuMeter(part) for part in replicas]

    def rounds(
        self,
        counts: Sequence[int],
        pressure: Pressure,
        *,
        slice_s: float,
        until: Callable[[Sequence[Round]], object],
    ) -> list[Round]:
        """Measure each count of replicas, round after round, until that is enough, or there were `MOST`.

        Every other round goes through the counts backwards, so that the edge changes as little as possible.
        """
        found: list[Round] = []
        while len(found) < MOST and not until(found):
            order = counts if len(found) % 2 else [*reversed(counts)]
            found.append({count: self.slice(count, pressure, slice_s) for count in order})
        return found

    def slice(self, count: int, pressure: Pressure, for_s: float) -> Slice:
        """Return what the first `count` replicas do for a while, the others getting no requests."""
        with waiting_for_target():
            self._deployment.prefer(self._replicas[:count])
            time.sleep(_SETTLED_S)
            return self._measured(self._meters[:count], pressure, for_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deployment.prefer(self._replicas)

    def _measured(self, meters: Sequence[CpuMeter], pressure: Pressure, for_s: float) -> Slice:
        before, processors, began_s = [one.read() for one in meters], Processors(), time.monotonic()
        time.sleep(for_s)
        ended_s, idle, after = time.monotonic(), processors.idle, [one.read() for one in meters]
        pairs = [*zip(before, after, strict=True)]
        throttled = [later.throttled - earlier.throttled for earlier, later in pairs]
        then, now = pairs[throttled.index(min(throttled))]
        return Slice(
            replicas=len(meters),
            for_s=ended_s - began_s,
            served=pressure.served(began_s, ended_s),
            periods=now.periods - then.periods,
            throttled=min(throttled),
            most_throttled=max(throttled),
            used_s=sum(later.usage_s - earlier.usage_s for earlier, later in pairs),
            idle=idle,
        )
