"""Load beyond what replicas can carry: how much is asked, and what is taken for their capacity."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.load.records import LoadResult, Second
from harness.probes import scaling
from harness.probes.scaling import ScalingProbe
from harness.probes.topology import CpuTime
from tests.harness.load.results import result

CAPACITY = 50.0  # requests a second of one replica


class Load:
    """Stands where the generator is: replicas that take 4 ms of their fifth of a processor for a request."""

    def __init__(self, replicas: int) -> None:
        self.capacity = CAPACITY * replicas
        self.rates: list[float] = []
        self.used_s = 0.0

    def run(self, scenario: str, *, rate: float, for_s: float) -> LoadResult:
        assert scenario == "scale_out"
        self.rates.append(rate)
        served = round(min(rate, self.capacity))
        self.used_s += 0.004 * 200
        series = tuple(
            Second(at=at, due=round(rate), completed=served, served=served, errors=0, p95_ms=9.0)
            for at in range(6)
        )
        return result(rate=rate, for_s=for_s, series=series, judged=False)


def replicas(count: int) -> Any:
    return SimpleNamespace(replicas=lambda: (object(),) * count)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    stand_in = Load(2)
    monkeypatch.setattr(
        scaling,
        "cgroup",
        lambda _: CpuTime(periods=99, throttled=30 * len(stand_in.rates), usage_s=stand_in.used_s / 2),
    )
    return stand_in


def test_more_is_asked_than_can_be_done_from_what_a_request_costs(load: Load) -> None:
    stage = ScalingProbe(load, replicas(2), cpus=0.2).overload()  # type: ignore[arg-type]

    first, second = load.rates
    assert first < load.capacity, "the first guess was too low"
    assert second == pytest.approx(1.4 * load.capacity)
    assert (stage.replicas, stage.served, stage.throttled) == (2, 100.0, 30)


def test_what_was_hardly_too_much_is_asked_for_again_with_more(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    load.capacity, throttled = 80.0, [0, 10, 40]
    monkeypatch.setattr(
        scaling,
        "cgroup",
        lambda _: CpuTime(periods=99, throttled=throttled[len(load.rates)], usage_s=load.used_s / 2),
    )

    stage = ScalingProbe(load, replicas(2), cpus=0.2).overload()  # type: ignore[arg-type]

    first, second = load.rates
    assert load.capacity < 0.88 * first < second
    assert stage.held_back
    assert not stage.kept_up
    assert stage.used_s == pytest.approx(0.8)


def test_who_goes_on_keeping_up_is_asked_four_times(load: Load) -> None:
    load.capacity = 1e6

    assert ScalingProbe(load, replicas(2), cpus=0.2).overload().kept_up  # type: ignore[arg-type]
    assert len(load.rates) == 4


def test_capacity_is_the_most_kept_up_with_before_a_rate_was_too_much_twice(load: Load) -> None:
    stage = ScalingProbe(load, replicas(2), cpus=0.2).capacity()  # type: ignore[arg-type]

    *kept_up, last, again = load.rates
    assert last == again > load.capacity, "the first rate that is too much is asked twice"
    assert kept_up == sorted(kept_up)
    assert kept_up[-1] <= load.capacity * 1.14, "what was kept up with"
    assert (stage.served, stage.before) == (100.0, 100.0)
    assert not stage.kept_up


def test_a_search_for_capacity_ends(load: Load) -> None:
    load.capacity = 1e6

    assert ScalingProbe(load, replicas(2), cpus=0.2).capacity().kept_up  # type: ignore[arg-type]
    assert len(load.rates) == 9
