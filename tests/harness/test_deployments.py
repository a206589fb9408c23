"""Deployments of a session: shared, started ahead of need, handed over, let go, stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness.defects import CLEAN, Variation, setting
from harness.deployments import Closing, Deployments
from harness.errors import DeploymentFailed, ProbeFailed
from harness.planning import Need
from harness.runtimes import CannotShow, RuntimeName, Specification
from tests.harness.core.fakes import FakeRuntime


def needing(variation: Variation = CLEAN, *, instance: str = "shared", profile: str = "production") -> Need:
    specification = Specification(profile=profile, variation=variation, instance=instance)
    return Need(runtime="process", specification=specification)


OWN = needing()
FRESH = replace(OWN, fresh=True)
APART = needing(instance="apart")
ONE, TWO, THREE = (needing(setting(X=number)) for number in (1, 2, 3))
BROKEN = needing(setting(BROKEN="1"))


class Managed:
    """Deployments of one plan on the fake runtime, and in which order they were left and stopped."""

    def __init__(self, plan: dict[str, Need]) -> None:
        self.runtime = FakeRuntime()
        self.left: list[Need] = []
        self.deployments = Deployments(plan, self._runtime_of, self._leave)

    def _runtime_of(self, name: RuntimeName) -> Any:
        return self.runtime

    def _leave(self, need: Need) -> None:
        self.left.append(need)

    @property
    def begun(self) -> set[tuple[str, ...]]:
        """Keys of what is starting or up."""
        return set(self.deployments._starts)

    @property
    def started(self) -> list[Specification]:
        return [deployment.specification for deployment in self.runtime.started]

    @property
    def stopped(self) -> list[Specification]:
        return [deployment.specification for deployment in self.runtime.stopped]


@pytest.fixture
def manage() -> Iterator[Any]:
    managed: list[Managed] = []

    def make(**plan: Need) -> Managed:
        managed.append(Managed(plan))
        return managed[-1]

    yield make
    for each in managed:
        each.runtime.gate.set()
        each.deployments.close()


def test_items_of_one_need_share_one_start(manage: Any) -> None:
    managed = manage(a=OWN, b=OWN)

    assert managed.deployments.get(OWN) is managed.deployments.get(OWN)
    assert managed.started == [OWN.specification]


def test_many_threads_that_ask_at_once_share_one_start(manage: Any) -> None:
    managed = manage(a=OWN)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(managed.deployments.get(OWN))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1
    assert len(managed.started) == 1


def test_a_need_that_no_item_was_planned_for_is_met(manage: Any) -> None:
    managed = manage()

    assert managed.deployments.get(ONE).specification == ONE.specification
    managed.deployments.release("unplanned")
    assert managed.stopped == []


class TestAhead:
    def test_the_next_two_are_started_before_they_are_needed_and_no_more(self, manage: Any) -> None:
        managed = manage(a=ONE, b=OWN, c=TWO, d=THREE)
        managed.runtime.gate.clear()

        managed.deployments.look_ahead()

        assert managed.begun == {ONE.key, OWN.key}
        managed.runtime.gate.set()
        managed.deployments.get(ONE)
        managed.deployments.get(OWN)
        assert set(managed.started) == {ONE.specification, OWN.specification}

    def test_an_items_own_comes_first_and_does_not_count(self, manage: Any) -> None:
        managed = manage(a=ONE, b=OWN, c=TWO, d=THREE)
        managed.runtime.gate.clear()

        managed.deployments.look_ahead(after="a")

        assert managed.begun == {ONE.key, OWN.key, TWO.key}

    def test_only_the_items_named_are_looked_at(self, manage: Any) -> None:
        managed = manage(a=ONE, b=OWN, c=TWO)
        managed.runtime.gate.clear()

        managed.deployments.look_ahead(["c", "unknown"], after="b")

        assert managed.begun == {OWN.key, TWO.key}
        managed.runtime.gate.set()
        managed.deployments.get(OWN)
        managed.deployments.get(TWO)
        assert ONE.specification not in managed.started

    def test_the_last_item_has_nothing_ahead(self, manage: Any) -> None:
        managed = manage(a=ONE, b=TWO)

        managed.deployments.look_ahead(after="b")

        assert managed.begun == {TWO.key}

    def test_after_the_end_nothing_is_begun(self, manage: Any) -> None:
        managed = manage(a=ONE)
        managed.deployments.close()

        managed.deployments.look_ahead()
        with pytest.raises(Closing):
            managed.deployments.get(ONE)
        assert managed.started == []


class TestFailure:
    def test_everyone_who_asks_gets_what_the_start_raised(self, manage: Any) -> None:
        managed = manage(a=BROKEN, b=BROKEN)

        for _ in range(2):
            with pytest.raises(DeploymentFailed, match="boom"):
                managed.deployments.get(BROKEN)
        assert len(managed.runtime.asked) == 1, "a start that failed is not tried again"

    def test_it_leaves_the_others_alone(self, manage: Any) -> None:
        managed = manage(a=BROKEN, b=ONE)
        with pytest.raises(DeploymentFailed):
            managed.deployments.get(BROKEN)

        assert managed.deployments.get(ONE).stopped is False
        managed.deployments.release("a")
        managed.deployments.close()
        assert managed.stopped == [ONE.specification]


class TestLettingGo:
    def test_it_is_stopped_after_the_last_item_that_needs_it(self, manage: Any) -> None:
        managed = manage(a=ONE, b=ONE)
        deployment = managed.deployments.get(ONE)

        managed.deployments.release("a")
        assert not managed.left
        managed.deployments.release("b")

        assert managed.left == [ONE]
        managed.deployments.close()
        assert deployment.stopped

    def test_it_is_left_before_it_is_stopped(self, manage: Any) -> None:
        managed = manage(a=ONE, b=OWN)
        seen: dict[Need, bool] = {}
        up = {need: managed.deployments.get(need) for need in (ONE, OWN)}
        managed.deployments._leave = lambda need: seen.setdefault(need, up[need].stopped)

        managed.deployments.release("a")
        managed.deployments.close()

        assert seen == {ONE: False, OWN: False}

    def test_a_profiles_own_stays_for_the_session(self, manage: Any) -> None:
        managed = manage(a=OWN)
        deployment = managed.deployments.get(OWN)

        managed.deployments.release("a")

        assert not managed.left
        assert not deployment.stopped
        managed.deployments.close()
        assert deployment.stopped

    def test_one_of_its_own_is_stopped_though_unchanged(self, manage: Any) -> None:
        managed = manage(a=APART, b=OWN)
        managed.deployments.get(APART)

        managed.deployments.release("a")

        assert managed.left == [APART]

    def test_one_that_an_item_dirties_is_renewed_once_the_next_item_needs_it(self, manage: Any) -> None:
        managed = manage(a=FRESH, b=FRESH)
        first = managed.deployments.get(FRESH)

        managed.deployments.release("a")
        assert first.renewed == 0

        assert managed.deployments.get(OWN) is first
        assert first.renewed == 1
        managed.deployments.release("b")
        managed.deployments.close()
        assert (first.renewed, managed.stopped) == (1, [FRESH.specification])

    @pytest.mark.parametrize("refusal", [CannotShow("one server"), ProbeFailed("it did not come back")])
    def test_one_that_cannot_be_renewed_is_replaced(self, manage: Any, refusal: Exception) -> None:
        managed = manage(a=FRESH, b=FRESH)
        first = managed.deployments.get(FRESH)
        first.refusal = refusal

        managed.deployments.release("a")

        second = managed.deployments.get(FRESH)
        assert second is not first
        assert first.stopped
        assert not second.stopped

    @pytest.mark.parametrize("need", [OWN, ONE, FRESH])
    def test_one_that_an_item_has_spoiled_is_replaced(self, manage: Any, need: Need) -> None:
        managed = manage(a=need, b=need)
        first = managed.deployments.get(need)

        managed.deployments.release("a", spoiled=True)

        second = managed.deployments.get(need)
        assert managed.left == [need]
        assert (first.renewed, second.stopped) == (0, False)
        assert second is not first
        managed.deployments.close()
        assert first.stopped

    def test_one_that_no_item_has_had_yet_is_as_new(self, manage: Any) -> None:
        managed = manage(a=FRESH, b=FRESH)
        managed.runtime.gate.clear()
        managed.deployments.look_ahead()

        managed.deployments.release("a")

        managed.runtime.gate.set()
        assert managed.deployments.get(FRESH).renewed == 0
        assert len(managed.started) == 1

    def test_a_start_that_failed_is_tried_again_for_the_next_item(self, manage: Any) -> None:
        need = replace(needing(setting(BROKEN="1")), fresh=True)
        managed = manage(a=need, b=need)
        with pytest.raises(DeploymentFailed):
            managed.deployments.get(need)

        managed.deployments.release("a")

        with pytest.raises(DeploymentFailed):
            managed.deployments.get(need)
        assert len(managed.runtime.asked) == 2

    def test_one_that_was_let_go_is_started_anew_for_who_asks_later(self, manage: Any) -> None:
        managed = manage(a=ONE)
        first = managed.deployments.get(ONE)
        managed.deployments.release("a")

        second = managed.deployments.get(ONE)

        assert second is not first
        assert not second.stopped
        managed.deployments.close()
        assert first.stopped
        assert second.stopped

    def test_one_that_was_never_started_needs_no_stop(self, manage: Any) -> None:
        managed = manage(a=ONE)

        managed.deployments.release("a")

        assert managed.left == []


class TestClosing:
    def test_everything_is_left_and_stopped(self, manage: Any) -> None:
        managed = manage(a=OWN, b=ONE)
        up = [managed.deployments.get(OWN), managed.deployments.get(ONE)]

        managed.deployments.close()
        managed.deployments.close()

        assert all(deployment.stopped for deployment in up)
        assert set(managed.left) == {OWN, ONE}

    def test_what_was_still_starting_is_stopped_once_it_is_up(self, manage: Any) -> None:
        managed = manage(a=ONE)
        managed.runtime.gate.clear()
        managed.deployments.look_ahead()
        managed.runtime.starting.acquire()
        closing = threading.Thread(target=managed.deployments.close)
        closing.start()
        managed.runtime.gate.set()
        closing.join(10)

        assert managed.started == [ONE.specification]
        assert managed.stopped == [ONE.specification]
