"""Slices of a measurement, undisturbed or not: a test gives only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.disturbance import Moment
from harness.load.records import SLICE_S, LoadResult, Slice
from tests.harness.load.results import result

QUICK: Mapping[str, Sequence[float]] = {"start": (5.0,) * 25, "read": (3.0,) * 25}
CALM = Moment(began=0.0, ended=0.5, late_ms=0.2, idle=1.5, stolen=0.0, throttled=0.0, others={})
BUSY = Moment(began=0.0, ended=0.5, late_ms=9.0, idle=0.1, stolen=0.0, throttled=0.0, others={"stress": 1.5})


def slice_(
    number: int = 0,
    latencies: Mapping[str, Sequence[float]] = QUICK,
    *,
    failed: int = 0,
    witness: Sequence[float] = (1.0, 1.2),
    late_ms: float = 0.2,
) -> Slice:
    return Slice(
        number=number,
        latencies={step: tuple(found) for step, found in latencies.items()},
        failed=failed,
        witness=tuple(witness),
        late_ms=late_ms,
    )


def measured(
    count: int,
    latencies: Mapping[str, Sequence[float]] = QUICK,
    *,
    failed: int = 0,
    witness: Sequence[float] = (1.0, 1.2),
    late_ms: float = 0.2,
    moment: Moment = CALM,
) -> LoadResult:
    """A run of so many slices, all alike, on a machine that did the same in all of them."""
    slices = [slice_(n, latencies, failed=failed, witness=witness, late_ms=late_ms) for n in range(count)]
    moments = [
        Moment(
            began=100 + n * SLICE_S,
            ended=100 + (n + 1) * SLICE_S,
            late_ms=moment.late_ms,
            idle=moment.idle,
            stolen=moment.stolen,
            throttled=moment.throttled,
            others=moment.others,
        )
        for n in range(count)
    ]
    return result(slices=tuple(slices), moments=tuple(moments), began=100.0, witness="a process")
