"""The generator as it runs: real Locust, in a process of its own, at a real server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import watchdog
from harness.errors import ProbeFailed, UserError
from harness.load import running
from harness.load.decision import decide
from harness.load.levels import undelivered
from harness.load.order import Order, Witness
from harness.load.running import find_scenario, generate
from harness.policy.levels import Latency
from harness.runtimes.witness import local_witness
from harness.workspace import DIRECTORY_VARIABLE, Workspace
from tests.harness.load.conftest import Remembering
from tests.harness.load.results import LEVELS

STARTED, ENDED, LIST = "/api/recording-started", "/api/recording-ended", "/api/recordings"
BUSY = """
import time
from harness.load.generator import OpenUser, Phase, step

class Busy(OpenUser):
    def phases(self, rate, for_s):
        return [Phase(for_s=for_s, from_rate=rate, to_rate=rate)]

    @step()
    def think(self, arrival):
        end = time.perf_counter() + 0.05
        while time.perf_counter() < end:
            pass
        arrival.ask("GET", self.paths["list"])
"""

CLOSED = """
from locust import User, task

class Closed(User):
    @task
    def look(self):
        pass
"""


@pytest.fixture(autouse=True)
def space(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A run that the generator belongs to."""
    monkeypatch.delenv(watchdog.RUN_VARIABLE, raising=False)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    with Workspace.open() as own:
        yield own


def test_what_it_counts_is_what_the_server_saw(
    order: Order, remembering: Remembering, space: Workspace
) -> None:
    result = generate(find_scenario("steady"), order)

    assert undelivered(result) == ""
    assert (result.planned, result.offered, result.completed, result.failed) == (50, 50, 50, 0)
    seen = {
        "start": remembering.of("POST", STARTED),
        "end": remembering.of("POST", ENDED),
        "read": remembering.of("GET", f"{LIST}/"),
        "list": remembering.of("GET", LIST),
    }
    counted = {name: step.requests if (step := result.step(name)) else 0 for name in seen}
    assert counted == {name: len(requests) for name, requests in seen.items()}
    assert sorted(result.writes["started"].acknowledged) == sorted(remembering.ids(STARTED))
    assert sum(second.due for second in result.series) == 50
    self_made = [dict(map(tuple, request["headers"])) for request in remembering.of("POST", STARTED)]
    assert len({fields["idempotency-key"] for fields in self_made}) == len(self_made)
    assert (
        len({fields["x-api-key"] for r in seen.values() for q in r for fields in [dict(q["headers"])]}) == 3
    )
    assert result.tenant.startswith("load-")
    assert list(space.root.glob("load-*")) == [], "neither the order nor its key stays behind"


def test_a_stall_is_paid_by_all_that_were_due_in_it(order: Order, little: Any) -> None:
    stalled: list[float] = []

    def stall(request: dict[str, Any]) -> float:
        if len(little.seen) == 30 and not stalled:
            stalled.append(1.0)
            time.sleep(0.5)  # the whole server, as a pause of its runtime would
        return 0.0

    little.delays = stall

    latency = generate(find_scenario("steady"), order).latency

    assert latency.max_ms >= 500
    assert latency.percentile(0.7) > 100, "a client that waits would have counted one slow request"


def test_wrong_answers_are_errors_of_their_step(order: Order, little: Any) -> None:
    little.answers["GET", LIST] = (503, {})
    little.answers["POST", ENDED] = (409, {})

    result = generate(find_scenario("steady"), order)

    listed, ended = result.step("list"), result.step("end")
    assert listed is not None
    assert ended is not None
    assert listed.errors == {"Wrong: status 503": listed.requests}
    assert listed.statuses == {"503": listed.requests}
    assert result.failed == listed.requests + ended.requests
    assert "ended" not in result.writes, "a refusal wrote nothing"


def test_a_write_without_a_clear_answer_is_neither_done_nor_not(order: Order, little: Any) -> None:
    little.answers["POST", STARTED] = (500, {})

    writes = generate(find_scenario("steady"), order).writes["started"]

    assert writes.acknowledged == ()
    assert len(set(writes.unknown)) == len(writes.unknown) > 0


def test_a_slow_generator_says_so(order: Order, tmp_path: Path) -> None:
    busy = tmp_path / "busy.py"
    busy.write_text(BUSY)

    result = generate(find_scenario(str(busy)), order)

    assert "the generator was more than 2 ms late" in decide([result], LEVELS).disturbances()


def test_the_witness_is_asked_as_often_in_the_same_slices(order: Order, remembering: Remembering) -> None:
    with local_witness() as witness:
        result = generate(find_scenario("steady"), replace(order, witness=witness))

    assert result.witness == "a process of this machine"
    assert sum(len(one.witness) for one in result.slices) == pytest.approx(50, abs=2)
    assert sum(one.requests for one in result.slices) == 50
    assert all(0 < value < 10_000 for one in result.slices for value in one.witness)
    began, ended = result.moments[0].began, result.moments[-1].ended
    assert began < result.began < ended, "its moments are those of the run"


def test_a_witness_that_does_not_answer_was_not_quick(order: Order, remembering: Remembering) -> None:
    nobody = Witness(base_url="http://127.0.0.1:9", host="127.0.0.1", how="nobody")

    result = generate(find_scenario("steady"), replace(order, witness=nobody))

    assert {value for one in result.slices for value in one.witness} == {10_000.0}


def test_it_ends_as_soon_as_the_levels_are_decided(order: Order, little: Any) -> None:
    little.delays = lambda request: 0.3 if request["path"] != "/admin/api-keys" else 0.0
    steps = {name: Latency(p95_ms=20.0, p99_ms=40.0) for name in ("start", "end", "read", "list")}
    levels = replace(LEVELS, steps=steps)

    result = generate(find_scenario("steady"), replace(order, for_s=60.0, levels=levels))

    assert decide([result], levels).broken("latency")
    assert result.for_s < 50
    assert result.planned == result.offered
    assert undelivered(result) == ""


def test_a_second_deployment_is_asked_for_the_same_at_the_same_moments(
    order: Order, remembering: Remembering
) -> None:
    result = generate(find_scenario("steady"), replace(order, other=order.reach))

    assert result.other is not None
    assert result.other.offered == result.offered == 50
    for mine, other in zip(result.slices, result.other.slices, strict=True):
        counts = [{step: len(found) for step, found in one.latencies.items()} for one in (mine, other)]
        assert sum(counts[0].values()) == sum(counts[1].values())
    assert result.other.tenant != result.tenant


def test_a_target_without_administration_has_one_key(order: Order, remembering: Remembering) -> None:
    paths = {name: path for name, path in order.reach.paths.items() if name in ("started", "ended")}

    result = generate(find_scenario("steady"), replace(order, reach=replace(order.reach, paths=paths)))

    assert {step.name for step in result.steps} == {"start", "end"}, "the rest of its steps it does not have"
    assert result.tenant == ""
    keys = {dict(request["headers"])["x-api-key"] for request in remembering.little.seen}
    assert keys == {order.reach.key}


def test_a_server_that_is_busy_for_the_moment_is_asked_for_a_key_again(order: Order, little: Any) -> None:
    keys = ("POST", "/admin/api-keys")
    little.answers[keys] = (503, {})

    def recover(_: dict[str, Any]) -> float:
        if len(little.seen) == 2:
            del little.answers[keys]
        return 0.0

    little.delays = recover

    assert undelivered(generate(find_scenario("steady"), order)) == ""


def test_one_that_does_not_end_is_ended(
    order: Order, monkeypatch: pytest.MonkeyPatch, space: Workspace
) -> None:
    monkeypatch.setattr(running, "_AROUND_S", -58.0)

    with pytest.raises(ProbeFailed, match="did not end within 2 s"):
        generate(find_scenario("steady"), replace(order, for_s=60.0))
    assert _of(space.run_id) == []


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("from locust import User\nclass Idle(User):\n    pass\n", "Idle has no task"),
        (CLOSED, "Closed plans no arrivals"),
        ("x = 1\n", "No User class found"),
        ("import nothing_of_this_name\n", "nothing_of_this_name"),
        (
            "from harness.load.generator import OpenUser, step\n"
            "class Hiding(OpenUser):\n    @step()\n    def start(self, arrival):\n        pass\n",
            "'start' hides a method",
        ),
    ],
)
def test_a_locustfile_that_cannot_be_run_says_why(order: Order, tmp_path: Path, code: str, told: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(code)

    with pytest.raises(UserError) as refused:
        generate(find_scenario(str(path)), order)
    assert told in refused.value.what
    assert refused.value.remedy


def test_a_server_that_is_not_up_is_named(order: Order) -> None:
    nobody = replace(order, reach=replace(order.reach, base_url="http://127.0.0.1:9"))

    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9 is not up") as refused:
        generate(find_scenario("steady"), nobody)
    assert "harness up" in refused.value.remedy


@pytest.mark.parametrize(
    ("wanted", "told"), [("stedy", "steady"), ("/nowhere/mine.py", "no such locustfile")]
)
def test_an_unknown_scenario_is_told_the_known_ones(wanted: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        find_scenario(wanted)
    assert told in str(refused.value)


def _of(run_id: str) -> list[int]:
    """The run's processes but its watchdog and this one."""
    mark = f"{watchdog.RUN_VARIABLE}={run_id}".encode()
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and int(entry.name) != os.getpid() and mark in _environment(entry)
    ]


def _environment(entry: Path) -> list[bytes]:
    try:
        return (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
