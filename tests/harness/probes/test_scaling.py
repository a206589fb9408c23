"""Counts of replicas in turn: whom the edge is told to prefer, and what is counted meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from harness.probes import scaling
from harness.probes.cpu import CpuTime
from harness.probes.pressure import Answer, Pressure
from harness.probes.scaling import ScalingProbe, with_share_of_cpu

EACH = 10  # writes of one replica in a slice


class Deployment:
    """Replicas that acknowledge ten writes for each of those that the edge prefers, and use a fifth."""

    def __init__(self, count: int) -> None:
        self.replicas: list[Any] = [SimpleNamespace(number=number, used_s=0.0) for number in range(count)]
        self.preferred: list[int] = []
        self.pressure = Pressure(tenant="tenant", keys=())

    def prefer(self, replicas: Any) -> None:
        self.preferred.append(len(replicas))

    def work(self) -> None:
        """What happens within a slice."""
        for replica in self.replicas[: self.preferred[-1]]:
            replica.used_s += 0.2
            for _ in range(EACH):
                answer = Answer(done_s=time.monotonic(), status=200, recording="one")
                self.pressure.answers.append(answer)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Deployment:
    made = Deployment(4)

    class Meter:
        def __init__(self, part: Any) -> None:
            self._part = part

        def read(self) -> CpuTime:
            used_s = self._part.used_s
            return CpuTime(periods=round(50 * used_s), throttled=round(45 * used_s), usage_s=used_s)

    class Clock:
        monotonic = staticmethod(time.monotonic)

        @staticmethod
        def sleep(seconds: float) -> None:
            if seconds != scaling._SETTLED_S:
                made.work()

    monkeypatch.setattr(scaling, "CpuMeter", Meter)
    monkeypatch.setattr(scaling, "time", Clock)
    return made


def test_a_slice_counts_what_the_preferred_replicas_did(deployment: Deployment) -> None:
    probe = ScalingProbe(deployment, deployment.replicas)  # type: ignore[arg-type]

    found = probe.slice(2, deployment.pressure, 1.0)

    assert deployment.preferred == [2]
    assert (found.replicas, found.served, found.periods, found.throttled) == (2, 20, 10, 9)
    assert found.used_s == pytest.approx(0.4)


def test_rounds_go_to_and_fro_until_that_is_enough(deployment: Deployment) -> None:
    with ScalingProbe(deployment, deployment.replicas) as probe:  # type: ignore[arg-type]
        found = probe.rounds((1, 2, 4), deployment.pressure, slice_s=1.0, until=lambda seen: len(seen) == 2)

    assert deployment.preferred == [4, 2, 1, 1, 2, 4, 4]
    assert [{count: one.served for count, one in each.items()} for each in found] == 2 * [
        {4: 40, 2: 20, 1: 10}
    ]


def test_rounds_end_where_nothing_is_ever_enough(deployment: Deployment) -> None:
    probe = ScalingProbe(deployment, deployment.replicas)  # type: ignore[arg-type]

    found = probe.rounds((1,), deployment.pressure, slice_s=1.0, until=lambda _: False)

    assert len(found) == scaling.MOST


def test_every_quota_is_given_back() -> None:
    log: list[str] = []

    def part(name: str) -> Any:
        @contextmanager
        def with_share_of_cpu(share: float) -> Iterator[None]:
            log.append(f"{name} {share}")
            yield
            log.append(f"{name} back")

        return SimpleNamespace(with_share_of_cpu=with_share_of_cpu)

    with with_share_of_cpu([part("a"), part("b")], 0.2):
        assert log == ["a 0.2", "b 0.2"]
    assert log[2:] == ["b back", "a back"]
