"""The rollout probes of one deployment, kept apart by what is planted in its releases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from harness.defects import CLEAN, rollout
from harness.outcome import NotVerified
from harness.probes.rollouts import Rollouts
from harness.releases.entries import Step
from harness.releases.stage import Colour
from tests.harness.probes.test_rollout import Bench, Silent
from tests.harness.releases.stages import LIMITS, NEW, OLD, MemoryStage

FORGETFUL = rollout("", "forgetful")


@pytest.fixture
def stage() -> MemoryStage:
    return MemoryStage.serving_old()


@pytest.fixture
def rollouts(stage: MemoryStage) -> Iterator[Rollouts]:
    found = Rollouts(stage, LIMITS, _any(Silent()), _any(Bench(stage)))
    yield found
    found.close()


def _any(double: Any) -> Any:
    return double


def test_the_same_defects_have_the_same_probe(rollouts: Rollouts) -> None:
    assert rollouts.probe(CLEAN) is rollouts.probe(CLEAN)
    assert rollouts.probe(FORGETFUL) is rollouts.probe(rollout("another title", "forgetful"))
    assert rollouts.probe(FORGETFUL) is not rollouts.probe(CLEAN)


def test_a_defect_finds_what_stood_here_first_whatever_was_released_before(
    rollouts: Rollouts, stage: MemoryStage
) -> None:
    rollouts.probe(CLEAN).release(NEW)

    planted = rollouts.probe(FORGETFUL)

    assert planted.home() == OLD
    assert stage.calls[-3:] == ["start", "verify", "switch"]
    assert planted.state.taken == (), "its ledger is its own"


def test_what_a_faulty_driver_left_is_taken_back_without_it(rollouts: Rollouts, stage: MemoryStage) -> None:
    planted = rollouts.probe(FORGETFUL)
    planted.interrupted(lambda driver: driver.release(NEW), Step.SWITCH, "done")
    assert planted.resume() is None

    assert rollouts.restore()

    assert stage.release_of(Colour.BLUE) == planted.serving() == OLD
    assert planted.state.unfinished is None
    assert planted.release(NEW).result == "taken"


def test_what_serves_is_verified_also_where_nothing_is_to_be_taken_back(
    rollouts: Rollouts, stage: MemoryStage
) -> None:
    assert rollouts.restore()
    stage.refuses = {"verify": lambda found: found == OLD}

    assert not rollouts.restore()
    stage.active = None
    assert not rollouts.restore()


def test_a_defect_is_not_planted_in_what_is_broken(rollouts: Rollouts, stage: MemoryStage) -> None:
    rollouts.probe(CLEAN)
    stage.refuses = {"verify": lambda found: found == OLD}

    with pytest.raises(NotVerified, match=r"1\.0\.0 could not be returned to"):
        rollouts.probe(FORGETFUL)


def test_a_deployment_that_serves_nothing_has_no_rollouts() -> None:
    stage = MemoryStage()

    with pytest.raises(NotVerified, match="no release serves"):
        Rollouts(stage, LIMITS, _any(Silent()), _any(Bench(stage)))


def test_rehearsals_of_every_probe_are_forgotten(rollouts: Rollouts) -> None:
    seen = [rollouts.probe(one).rehearse("none", lambda _: None) for one in (CLEAN, FORGETFUL)]

    rollouts.forget()

    again = [rollouts.probe(one).rehearse("none", lambda _: None) for one in (CLEAN, FORGETFUL)]
    assert all(one is not other for one, other in zip(seen, again, strict=True))
