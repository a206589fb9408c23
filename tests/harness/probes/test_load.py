"""Load as a probe: what it orders, what it records, and when it measures again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.harness.load.results import encoded, result, step

POLICY = load_policy("production")
GOOD = [5.0] * 400
STEPS = tuple(POLICY.service_levels.steps)


def ran(**given: Any) -> LoadResult:
    slow = given.pop("slow", False)
    return result(steps=tuple(step(name, [500.0] * 400 if slow else GOOD) for name in STEPS), **given)


LATE = {"lag": encoded([9.0] * 100)}


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
    assert (seen.data["planned"], seen.data["failed"]) == (1600, 0)
    assert [one.samples for one in times if isinstance(one, Measurement)] == [400] * len(STEPS) + [1600]


@pytest.mark.parametrize(
    ("results", "runs"),
    [
        ([ran()], 1),
        ([ran(**LATE), ran()], 2),
        ([ran(slow=True), ran()], 2),
        ([ran(slow=True), ran(slow=True), ran()], 2),
        ([ran(**LATE), ran(**LATE), ran(**LATE), ran()], 3),
        ([ran(**LATE), ran(slow=True), ran(slow=True), ran()], 3),
    ],
)
def test_a_spoilt_run_is_tried_again_and_a_bad_one_confirmed(
    load: LoadProbe, generator: Generator, quiet: list[str], results: list[LoadResult], runs: int
) -> None:
    generator.results = results

    assert load.measured() == results[runs - 1]
    assert (len(generator.orders), len(quiet)) == (runs, runs)


def test_the_checks_of_a_deployment_share_one_measurement(
    load: LoadProbe, generator: Generator, recorder: Recorder
) -> None:
    generator.results = [ran()]
    load.measured()
    taken = recorder.total

    assert load.measured() == ran()
    assert len(generator.orders) == 1
    assert recorder.total == 2 * taken, "and each has the evidence"


FAILED = {"steps": (step("start", GOOD, {"Wrong: status 503": 40}),)}


@pytest.mark.parametrize(
    ("results", "runs"),
    [([ran()], []), ([result(**FAILED), ran()], ["alone"]), ([ran(planned=9999), ran()], ["alone"])],
)
def test_what_does_not_depend_on_the_clock_needs_no_quiet_unless_it_fails(
    load: LoadProbe, generator: Generator, quiet: list[str], results: list[LoadResult], runs: list[str]
) -> None:
    generator.results = results

    assert load.delivered(800) == results[-1]
    assert quiet == runs
    assert {one.for_s for one in generator.orders} == {800 / POLICY.service_levels.rate}


def test_what_was_measured_is_also_what_was_delivered(load: LoadProbe, generator: Generator) -> None:
    generator.results = [ran()]
    load.measured()

    assert load.delivered(800) == ran()
    assert len(generator.orders) == 1
