"""Two deployments compared side by side: what is slower is found, what is not is not."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from harness.load.comparison import Comparison, compare
from harness.load.records import Slice
from tests.harness.load.slices import QUICK, measured


def one(dice: random.Random, number: int, kind: str, *, noise: bool) -> Slice:
    values = []
    for _ in range(40):
        value = dice.lognormvariate(1.5, 0.4)
        if kind == "slower":
            value *= 1.25
        if kind == "stalls" and dice.random() < 0.01:
            value += 40
        if noise and dice.random() < 0.4:
            value += dice.uniform(0, 60)
        values.append(value)
    return Slice(number=number, latencies={"start": tuple(values)})


def verdict(dice: random.Random, kind: str) -> str:
    comparison = Comparison()
    for number in range(160):
        noise = dice.random() < 0.01  # what the machine does, it does to both
        comparison.take(*(one(dice, number, which, noise=noise) for which in ("the same", kind)))
        if comparison.verdict != "open":
            break
    return comparison.verdict


@pytest.mark.parametrize(("kind", "least"), [("slower", 19), ("stalls", 19)])
def test_what_is_slower_is_found_in_nineteen_of_twenty(kind: str, least: int) -> None:
    dice = random.Random(3)

    assert Counter(verdict(dice, kind) for _ in range(20))["slower"] >= least


def test_the_same_is_called_slower_in_one_of_twenty_at_most() -> None:
    dice = random.Random(3)
    found = Counter(verdict(dice, "the same") for _ in range(20))

    assert found["slower"] <= 1
    assert found["not slower"] >= 10


def test_nothing_is_decided_before_there_is_a_threshold() -> None:
    slow = {step: tuple(900.0 + number for number, _ in enumerate(values)) for step, values in QUICK.items()}

    assert compare(measured(6).slices, measured(6, slow).slices).verdict == "open"
    assert compare(measured(60).slices, measured(60, slow).slices).verdict == "slower"


def test_slices_without_requests_decide_nothing() -> None:
    empty = measured(60, {}).slices

    assert compare(empty, empty).verdict == "open"


def test_the_quantiles_of_both_are_told() -> None:
    comparison = compare(measured(10).slices, measured(10, {"start": (8.0,) * 50}).slices)

    assert comparison.quantiles(0.95) == (5.0, 8.0)
