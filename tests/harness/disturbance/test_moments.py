"""What a moment of the machine says: whether something else than the run was at work, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from harness.disturbance import Moment, told

CALM: Mapping[str, Any] = {
    "began": 0.0,
    "ended": 0.5,
    "late_ms": 0.3,
    "idle": 1.4,
    "stolen": 0.0,
    "throttled": 0.0,
    "others": {},
}


def moment(**given: Any) -> Moment:
    return Moment(**{**CALM, **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, ""),
        ({"late_ms": 200.0, "idle": 0.0}, ""),  # it has used the processors up itself
        ({"others": {"stress": 1.0}}, ""),  # there was a processor left
        ({"others": {"cron": 0.1}, "idle": 0.2}, ""),
        ({"others": {"stress": 1.0, "cron": 0.01}, "idle": 0.2}, "stress used 1.00 processors for 0.5 s"),
        ({"stolen": 0.3}, "the hypervisor took 0.30 processors for 0.5 s"),
        ({"throttled": 0.2}, "the processor quota of the harness was used up in 0.5 s"),
        ({"late_ms": 80.0}, "a pause of the machine of 80 ms"),
    ],
)
def test_each_cause_is_named_with_its_size(given: dict[str, Any], said: str) -> None:
    assert told([moment(**given)]) == said
    assert moment(**given).disturbed == bool(said)


def test_what_lasted_longest_comes_first_and_three_are_told() -> None:
    many = dict.fromkeys(("a", "b", "c", "d"), 0.4)
    moments = [moment(others={"make": 1.2}, idle=0.0)] * 3 + [moment(others=many, idle=0.0), moment()]

    said = told(moments)

    assert said.startswith("make used 1.20 processors for 1.5 s, a used 0.40 processors for 0.5 s")
    assert said.count("used") == 3
