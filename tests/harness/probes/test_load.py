"""Load as a probe: what it orders, what it records, and when it measures again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from harness import places
from harness.contract import read_contract
from harness.evidence import Recorder
from harness.load.order import Order
from harness.load.records import LoadResult
from harness.policy import load_policy
from harness.probes import load as probe
from harness.probes.load import LoadProbe
from harness.probes.pace import Pace
from harness.records import Measurement, Observation
from tests.harness.load.results import step
from tests.harness.load.slices import BUSY, measured

POLICY = load_policy("production")
STEPS = tuple(POLICY.service_levels.steps)
GOOD = {name: [5.0] * 10 for name in STEPS}
SLOW = {name: [500.0] * 10 for name in STEPS}


def ran(slices: int = 60, latencies: Mapping[str, Sequence[float]] = GOOD, **given: Any) -> LoadResult:
    """A run of 20 requests of each step a second."""
    steps = tuple(step(name, [*found] * slices) for name, found in latencies.items())
    count = sum(one.requests for one in steps)
    taken = measured(slices, latencies, **given)
    return replace(taken, steps=steps, planned=count, offered=count, completed=count)


class Generator:
    """Stands where the generator's process is started."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.results: list[LoadResult] = []

    def __call__(self, scenario: Any, order: Order) -> LoadResult:
        self.orders.append(order)
        return self.results[min(len(self.orders), len(self.results)) - 1]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Generator:
    stand_in = Generator()
    monkeypatch.setattr(probe, "generate", stand_in)
    return stand_in


@pytest.fixture
def quiet() -> list[str]:
    return []


@pytest.fixture
def load(plain: Any, quiet: list[str]) -> LoadProbe:
    @contextmanager
    def alone() -> Iterator[None]:
        quiet.append("alone")
        yield

    contract = read_contract(places.CONTRACT)
    return LoadProbe(plain, policy=POLICY, contract=contract, pace=Pace(10**6, 5.0), quiet=alone)


def test_what_is_not_said_is_the_service_levels(load: LoadProbe, generator: Generator) -> None:
    generator.results = [ran()]

    load.run()
    load.run("ramp", rate=10.0, for_s=3.0)

    usual, own = generator.orders
    assert (usual.rate, usual.for_s) == (POLICY.service_levels.rate, POLICY.service_levels.for_s)
    assert (own.rate, own.for_s, own.keys) == (10.0, 3.0, 2)


def test_what_it_came_to_is_evidence(load: LoadProbe, generator: Generator, recorder: Recorder) -> None:
    generator.results = [ran()]

    load.run()

    seen, *times = recorder.telling()
    assert isinstance(seen, Observation)
    assert (seen.data["planned"], seen.data["failed"]) == (2400, 0)
    assert [one.samples for one in times if isinstance(one, Measurement)] == [600] * len(STEPS) + [2400]


@pytest.mark.parametrize(
    ("results", "verdict"),
    [
        ([ran()], "holds"),
        ([ran(latencies=SLOW)], "broken"),
        ([ran(30), ran(30)], "holds"),
        ([ran(latencies=SLOW, moment=BUSY, witness=(50.0,)), ran()], "holds"),
        ([ran(latencies=SLOW, moment=BUSY, witness=(50.0,)), ran(latencies=SLOW)], "broken"),
        ([ran(latencies=SLOW, moment=BUSY, witness=(50.0,))] * 3, "open"),
    ],
)
def test_tries_go_on_until_they_decide_together_three_at_most(
    load: LoadProbe, generator: Generator, quiet: list[str], results: list[LoadResult], verdict: str
) -> None:
    generator.results = [*results, ran(latencies=SLOW)]

    measured = load.measured()

    assert measured.tries == results
    assert (len(generator.orders), len(quiet)) == (len(results), len(results))
    broken, undecided = measured.broken("all"), measured.undecided("all")
    assert ("broken" if broken else "open" if undecided else "holds") == verdict


def test_each_try_has_a_witness_and_ends_as_soon_as_the_levels_are_decided(
    load: LoadProbe, generator: Generator
) -> None:
    generator.results = [ran()]

    load.measured("errors")

    (order,) = generator.orders
    assert order.witness is not None
    assert (order.levels, order.kind) == (POLICY.service_levels, "errors")
    assert order.for_s > POLICY.service_levels.for_s


def test_the_checks_of_a_deployment_share_one_measurement(
    load: LoadProbe, generator: Generator, recorder: Recorder
) -> None:
    generator.results = [ran()]
    first = load.measured("latency")
    taken = recorder.total

    assert load.measured("errors") is first
    assert len(generator.orders) == 1
    assert recorder.total == 2 * taken, "and each has the evidence"


def test_another_check_goes_on_where_its_levels_are_not_decided(
    load: LoadProbe, generator: Generator
) -> None:
    generator.results = [ran(20, SLOW), ran()]

    assert load.measured("latency").broken("latency")
    assert len(generator.orders) == 1
    assert load.measured("errors").undecided("errors") == ""
    assert len(generator.orders) == 2


def test_a_load_that_did_not_happen_is_no_verdict(load: LoadProbe, generator: Generator) -> None:
    generator.results = [replace(ran(), ended="it was stopped")]

    assert load.measured().undecided("all") == "the generator ended early: it was stopped"


@pytest.mark.parametrize(
    ("results", "runs"), [([ran()], []), ([replace(ran(), planned=9999), ran()], ["alone"])]
)
def test_what_is_stored_needs_no_quiet_unless_the_load_did_not_happen(
    load: LoadProbe, generator: Generator, quiet: list[str], results: list[LoadResult], runs: list[str]
) -> None:
    generator.results = results

    assert load.delivered(800) == results[-1]
    assert quiet == runs
    assert {one.for_s for one in generator.orders} == {800 / POLICY.service_levels.rate}
    assert {one.witness for one in generator.orders} == {None}


@pytest.mark.parametrize(("requests", "runs"), [(800, 1), (2401, 2)])
def test_what_was_measured_is_also_what_was_delivered_where_it_is_enough(
    load: LoadProbe, generator: Generator, requests: int, runs: int
) -> None:
    generator.results = [ran()]
    load.measured()

    assert load.delivered(requests) == ran()
    assert len(generator.orders) == runs
