"""The pool as a scheduler of xdist: what workers are sent, and what becomes of one that dies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.costs import CostClass
from harness.plugin.scheduling import PoolScheduling, write_plan
from harness.pool import Unit

IDS = ("a", "b", "c", "d", "e")


@dataclass(eq=False)
class Node:
    """A worker as xdist's controller sees it."""

    name: str
    sent: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    shutting_down: bool = False

    @property
    def gateway(self) -> SimpleNamespace:
        return SimpleNamespace(id=self.name)

    def send_runtest_some(self, indices: list[int]) -> None:
        assert not self.shutting_down, "a worker that ends takes nothing more"
        self.sent += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def unit(*items: int, cost: CostClass = "quick", seconds: float = 1.0, home: str = "") -> Unit:
    return Unit(items=items, home=home, cost=cost, seconds=seconds)


def begun(tmp_path: Path, *units: Unit, workers: int = 2) -> tuple[PoolScheduling, list[Node]]:
    write_plan(tmp_path / "plan", units)
    scheduling = PoolScheduling(tmp_path / "plan", workers)
    nodes = [Node(f"gw{number}") for number in range(workers)]
    for node in nodes:
        scheduling.add_node(node)
        assert not scheduling.collection_is_completed
        scheduling.add_node_collection(node, IDS)
    assert not scheduling.tests_finished
    scheduling.schedule()
    return scheduling, nodes


def run(scheduling: PoolScheduling, node: Node) -> list[int]:
    """Let a worker do what it can: all but the last item, and that one too once it is to end."""
    before = len(node.done)
    while node in scheduling.nodes:
        left = [item for item in node.sent if item not in node.done]
        if len(left) < (1 if node.shutting_down else 2):
            break
        node.done.append(left[0])
        scheduling.mark_test_complete(node, left[0])
    return node.done[before:]


def test_a_worker_has_always_one_item_more_than_it_works_on(tmp_path: Path) -> None:
    units = [unit(number, seconds=10 - number) for number in range(5)]

    _, (first, second) = begun(tmp_path, *units)

    assert (first.sent, second.sent) == ([0, 1], [2, 3])


def test_all_are_done_and_every_worker_ends(tmp_path: Path) -> None:
    scheduling, (first, second) = begun(tmp_path, unit(0), unit(1, 2), unit(3), unit(4))

    done = run(scheduling, first) + run(scheduling, second)

    assert sorted(done) == [0, 1, 2, 3, 4]
    assert first.shutting_down
    assert second.shutting_down
    assert scheduling.tests_finished
    assert not scheduling.has_pending


def test_measurements_begin_once_the_other_workers_have_ended(tmp_path: Path) -> None:
    measured = unit(0, cost="measuring", seconds=60.0)
    scheduling, (first, second) = begun(tmp_path, measured, unit(1), unit(2), unit(3), unit(4))

    assert run(scheduling, first) == [1, 2]
    assert first.shutting_down
    assert run(scheduling, second) == [3]
    assert not second.shutting_down, "it stays for the measurement"
    assert 0 not in first.sent + second.sent

    scheduling.remove_node(first)

    assert run(scheduling, second)[-1] == 0
    assert second.shutting_down
    assert scheduling.tests_finished


def test_what_a_worker_died_of_is_named_and_the_rest_is_done_by_another(tmp_path: Path) -> None:
    scheduling, (first, second) = begun(tmp_path, unit(0, 1, 2, seconds=9), unit(3), unit(4))
    scheduling.mark_test_complete(first, 0)

    crashed = scheduling.remove_node(first)

    assert crashed == "b"
    assert 2 in run(scheduling, second) or 2 in second.sent
    assert 1 not in second.sent


def test_workers_that_have_collected_different_checks_are_refused(tmp_path: Path) -> None:
    scheduling, (first, _) = begun(tmp_path, unit(0))

    with pytest.raises(RuntimeError, match="gw0 has collected other checks"):
        scheduling.add_node_collection(first, ("z",))
