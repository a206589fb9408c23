"""Rollouts on a stage in memory: their order, their way back, and what a killed one leaves to be finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ReleaseError, StageError
from harness.releases.entries import Ended, Outcome, State, Step, Stepped
from harness.releases.ledger import Ledger, read_state
from harness.releases.rollout import Driver
from harness.releases.stage import Colour, Sample, Traffic
from tests.harness.releases.stages import LIMITS, NEW, OLD, Killed, MemoryStage, release

Work = Callable[[Driver], Outcome | None]


def drive(path: Path, stage: MemoryStage, work: Work, told: list[object] | None = None) -> Outcome:
    with Ledger.hold(path) as ledger:
        outcome = work(Driver(stage, ledger, LIMITS, (told if told is not None else []).append))
    assert outcome is not None
    return outcome


def put(driver: Driver) -> Outcome:
    return driver.release(NEW)


def back(driver: Driver) -> Outcome:
    return driver.rollback()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "ledger.jsonl"


def test_a_release_takes_the_place_of_the_one_that_serves(path: Path) -> None:
    stage = MemoryStage.serving_old()

    outcome = drive(path, stage, put)

    assert (outcome.result, outcome.before, outcome.serving) == ("taken", OLD.version, NEW.version)
    assert stage.calls == ["expand", "start", "verify", "switch", "watch"]
    assert stage.active is Colour.GREEN
    assert stage.at == {Colour.BLUE: OLD, Colour.GREEN: NEW}, "the old one is kept warm"
    assert read_state(path).taken == (OLD.version, NEW.version)


def test_the_first_release_of_a_stage_needs_none_before_it(path: Path) -> None:
    stage = MemoryStage()

    outcome = drive(path, stage, put)

    assert (outcome.result, outcome.before) == ("taken", None)
    assert stage.active is Colour.BLUE


def test_a_schema_that_a_release_has_served_on_is_not_migrated_to_again(path: Path) -> None:
    stage = MemoryStage.serving_old()
    same = release("1.0.1", schema=OLD.schema)

    assert drive(path, stage, lambda driver: driver.release(same)).result == "taken"
    drive(path, stage, put)
    drive(path, stage, back)
    drive(path, stage, lambda driver: driver.release(release("1.2.0", schema=NEW.schema)))

    assert stage.schema == [("expand", NEW.schema)]


def test_a_schema_is_migrated_to_until_a_release_has_served_on_it(path: Path) -> None:
    stage = MemoryStage.serving_old(refuses={"start": lambda found: found == NEW})
    drive(path, stage, put)

    drive(path, stage, lambda driver: driver.release(release("1.2.0", schema=NEW.schema)))

    assert stage.schema == [("expand", NEW.schema)] * 2


@pytest.mark.parametrize("step", ["expand", "start", "verify", "switch"])
def test_what_fails_before_the_switch_never_gets_traffic(path: Path, step: str) -> None:
    stage = MemoryStage.serving_old(refuses={step: lambda found: found == NEW})

    outcome = drive(path, stage, put)

    assert outcome.result == "returned"
    assert "the last line" in outcome.why
    assert (stage.active, stage.at) == (Colour.BLUE, {Colour.BLUE: OLD})
    assert stage.calls[-2:] == [step, "retire"]
    assert read_state(path).serving == OLD.version


@pytest.mark.parametrize(
    ("traffic", "why"),
    [
        (Traffic(requests=60, errors=3, latency_ms=10.0), "3 of 60 requests failed (5.0%)"),
        (Traffic(requests=60, latency_ms=400.0), "400.0 ms for the mean answer"),
        (Traffic(requests=20), "80 requests in 3 s decide nothing"),
        (Traffic(), "0 requests in 3 s decide nothing"),
    ],
)
def test_what_serves_badly_is_taken_back_by_itself(path: Path, traffic: Traffic, why: str) -> None:
    stage = MemoryStage.serving_old(answers={NEW.version: traffic})

    outcome = drive(path, stage, put)

    assert outcome.result == "returned"
    assert why in outcome.why
    assert (stage.active, stage.at) == (Colour.BLUE, {Colour.BLUE: OLD})
    assert stage.calls[-3:] == ["watch", "switch", "retire"]


@pytest.mark.parametrize(("requests", "samples"), [(200, 2), (50, 2), (30, 4)])
def test_a_release_is_watched_until_enough_is_seen(path: Path, requests: int, samples: int) -> None:
    told: list[object] = []
    stage = MemoryStage.serving_old(answers={NEW.version: Traffic(requests=requests, latency_ms=1.0)})

    assert drive(path, stage, put, told).result == "taken"
    assert sum(isinstance(one, Sample) for one in told) == samples


def test_a_switch_after_which_both_colours_serve_is_taken_back(path: Path) -> None:
    stage = MemoryStage.serving_old(elsewhere=Traffic(requests=1))

    outcome = drive(path, stage, put)

    assert outcome.result == "returned"
    assert "1 requests went to blue after the switch to green" in outcome.why


def test_a_colour_that_holds_something_else_is_not_switched_to(path: Path) -> None:
    class Elsewhere(MemoryStage):
        def release_of(self, colour: Colour) -> object:  # type: ignore[override]
            return OLD

    stage = Elsewhere(at={Colour.BLUE: OLD}, active=Colour.BLUE)

    outcome = drive(path, stage, put)

    assert outcome.result == "returned"
    assert "green has 1.0.0" in outcome.why
    assert "switch" not in stage.calls


def test_a_first_release_that_fails_has_nothing_to_return_to(path: Path) -> None:
    outcome = drive(path, MemoryStage(answers={NEW.version: Traffic()}), put)

    assert (outcome.result, outcome.serving) == ("failed", None)


def test_a_rollback_to_the_warm_release_starts_nothing_anew(path: Path) -> None:
    stage = MemoryStage.serving_old()
    drive(path, stage, put)
    stage.calls.clear()

    outcome = drive(path, stage, back)

    assert (outcome.result, outcome.serving) == ("taken", OLD.version)
    assert stage.active is Colour.BLUE
    assert "expand" not in stage.calls


def test_a_rollback_by_version_reaches_releases_of_long_ago_exactly(path: Path) -> None:
    stage = MemoryStage.serving_old()
    drive(path, stage, put)
    drive(path, stage, lambda driver: driver.release(release("1.2.0", schema="0002")))

    outcome = drive(path, stage, lambda driver: driver.rollback(OLD.version))

    assert outcome.result == "taken"
    assert stage.active is not None
    assert stage.at[stage.active] == OLD


def test_a_rollback_after_a_rollback_does_not_bounce(path: Path) -> None:
    stage = MemoryStage.serving_old()
    drive(path, stage, put)
    drive(path, stage, back)

    with pytest.raises(ReleaseError, match=r"no release served before 1\.0\.0"):
        drive(path, stage, back)


def test_the_way_back_starts_what_has_died_meanwhile(path: Path) -> None:
    class OldDies(MemoryStage):
        def switch(self, colour: Colour) -> None:
            super().switch(colour)
            if self.calls.count("switch") == 1:
                del self.at[Colour.BLUE]

    stage = OldDies(at={Colour.BLUE: OLD}, active=Colour.BLUE, answers={NEW.version: Traffic()})

    outcome = drive(path, stage, put)

    assert (outcome.result, stage.active, stage.at) == ("returned", Colour.BLUE, {Colour.BLUE: OLD})


def test_a_way_back_that_fails_is_taken_again_by_resume(path: Path) -> None:
    stage = MemoryStage.serving_old(
        answers={NEW.version: Traffic()}, refuses={"switch": lambda found: found == OLD}
    )
    with pytest.raises(StageError):
        drive(path, stage, put)
    unfinished = read_state(path).unfinished
    assert unfinished is not None
    assert unfinished.reached is Step.RETURN
    stage.refuses = {}

    outcome = drive(path, stage, Driver.resume)

    assert (outcome.result, stage.active) == ("returned", Colour.BLUE)
    assert "decide nothing" in outcome.why, "the first failure is the reason, not that of the way back"


def test_contracting_retires_what_served_before_and_forbids_the_return(path: Path) -> None:
    stage = MemoryStage.serving_old()
    drive(path, stage, put)
    stage.calls.clear()

    outcome = drive(path, stage, Driver.contract)

    assert outcome.result == "taken"
    assert stage.calls == ["retire", "contract"]
    assert stage.at == {Colour.GREEN: NEW}
    with pytest.raises(ReleaseError, match=r"contracted to 0002; release 1\.0\.0 knows 0001"):
        drive(path, stage, back)
    older = release("1.0.1", schema="0001")
    with pytest.raises(ReleaseError, match="contracted to 0002"):
        drive(path, stage, lambda driver: driver.release(older))


def test_a_contraction_that_fails_leaves_the_release_in_service(path: Path) -> None:
    stage = MemoryStage.serving_old(refuses={"contract": lambda _: True})
    drive(path, stage, put)

    outcome = drive(path, stage, Driver.contract)

    assert (outcome.result, outcome.serving, stage.active) == ("failed", NEW.version, Colour.GREEN)


def test_what_cannot_be_tried_is_refused_before_anything_is_done(path: Path) -> None:
    stage = MemoryStage.serving_old()
    drive(path, stage, put)
    stage.calls.clear()
    refused: dict[str, Work] = {
        "1.1.0 is used already": lambda driver: driver.release(release("1.1.0", configuration="")),
        "1.1.0 serves already": put,
        "no release 1.0.9": lambda driver: driver.rollback("1.0.9"),
        "1.1.0 serves": lambda driver: driver.rollback("1.1.0"),
    }
    for message, work in refused.items():
        with pytest.raises(ReleaseError, match=message):
            drive(path, stage, work)
    assert stage.calls == []
    assert read_state(path).unfinished is None


@pytest.mark.parametrize("version", [OLD.version, NEW.version])
def test_what_somebody_put_there_by_hand_is_named(path: Path, version: str) -> None:
    stage = MemoryStage.serving_old()
    drive(path, stage, put)
    stage.at[Colour.GREEN] = release(version, configuration="by hand")

    with pytest.raises(ReleaseError, match="put it there by hand"):
        drive(path, stage, back)


def test_a_release_that_never_served_is_nothing_to_return_to(path: Path) -> None:
    stage = MemoryStage.serving_old(refuses={"verify": lambda _: True})
    drive(path, stage, put)

    with pytest.raises(ReleaseError, match=r"1\.1\.0 has never served"):
        drive(path, stage, lambda driver: driver.rollback(NEW.version))


def test_nothing_begins_before_the_unfinished_has_ended(path: Path) -> None:
    stage = MemoryStage.serving_old(killed_at=2)
    with pytest.raises(Killed):
        drive(path, stage, put)

    with pytest.raises(ReleaseError, match=r"the release of 1\.1\.0 is unfinished"):
        drive(path, stage, put)


def test_a_listener_hears_every_step_and_sample(path: Path) -> None:
    told: list[object] = []

    drive(path, MemoryStage.serving_old(), put, told)

    steps = [(one.step, one.mark) for one in told if isinstance(one, Stepped)]
    assert steps[:2] == [(Step.EXPAND, "begun"), (Step.EXPAND, "done")]
    assert sum(isinstance(one, Sample) for one in told) == 2
    assert [one.result for one in told if isinstance(one, Ended)] == ["taken"]


GOOD_RELEASE = ({}, put)
BAD_RELEASE = ({"answers": {NEW.version: Traffic(requests=60, errors=3)}}, put)
UNREADY_RELEASE = ({"refuses": {"start": lambda found: found == NEW}}, put)


@pytest.mark.parametrize("after", [False, True], ids=["before-its-effect", "after-its-effect"])
@pytest.mark.parametrize(
    ("given", "work"), [GOOD_RELEASE, BAD_RELEASE, UNREADY_RELEASE], ids=["good", "bad", "unready"]
)
def test_wherever_a_release_is_killed_resuming_ends_as_if_it_had_not_been(
    tmp_path: Path, given: dict[str, object], work: Work, after: bool
) -> None:
    undisturbed = MemoryStage.serving_old(**given)
    wanted = drive(tmp_path / "undisturbed", undisturbed, work)

    for number in range(len(undisturbed.calls)):
        stage = MemoryStage.serving_old(**given, killed_at=number, after=after)
        path = tmp_path / f"killed-{number}"
        if stage_is_killed(path, stage, work):
            outcome = resume(path, stage)
            assert (outcome.result, outcome.serving) == (wanted.result, wanted.serving), number
        assert (stage.active, stage.at) == (undisturbed.active, undisturbed.at), number
        assert set(stage.schema) == set(undisturbed.schema), number
        assert same(read_state(path), read_state(tmp_path / "undisturbed")), number


@pytest.mark.parametrize("after", [False, True], ids=["before-its-effect", "after-its-effect"])
@pytest.mark.parametrize("work", [back, Driver.contract], ids=["rollback", "contract"])
def test_wherever_a_rollback_or_contraction_is_killed_it_is_brought_to_its_end(
    tmp_path: Path, work: Work, after: bool
) -> None:
    undisturbed = MemoryStage.serving_old()
    drive(tmp_path / "undisturbed", undisturbed, put)
    first = len(undisturbed.calls)
    drive(tmp_path / "undisturbed", undisturbed, work)

    for number in range(first, len(undisturbed.calls)):
        stage = MemoryStage.serving_old(killed_at=number, after=after)
        path = tmp_path / f"killed-{number}"
        drive(path, stage, put)
        assert stage_is_killed(path, stage, work), number
        resume(path, stage)
        assert (stage.active, stage.at) == (undisturbed.active, undisturbed.at), number
        assert same(read_state(path), read_state(tmp_path / "undisturbed")), number


def test_wherever_a_ledger_ends_the_driver_resumes(tmp_path: Path) -> None:
    """A driver killed between a step's effect and the line that says so, or while it wrote that line."""
    stage = MemoryStage.serving_old()
    drive(tmp_path / "whole", stage, put)
    lines = (tmp_path / "whole").read_bytes().splitlines(keepends=True)

    for count in range(len(lines)):
        path = tmp_path / f"cut-{count}"
        path.write_bytes(b"".join(lines[:count]) + lines[count][:20])
        again = MemoryStage(at=dict(stage.at), active=stage.active if count > 11 else Colour.BLUE)
        with Ledger.hold(path) as ledger:
            driver = Driver(again, ledger, LIMITS)
            driver.resume()
            if ledger.state.serving != NEW.version:
                driver.release(NEW)
        assert again.active is Colour.GREEN, count
        assert same(read_state(path), read_state(tmp_path / "whole")), count


def stage_is_killed(path: Path, stage: MemoryStage, work: Work) -> bool:
    try:
        drive(path, stage, work)
    except Killed:
        stage.killed_at = None
        return True
    return False


def resume(path: Path, stage: MemoryStage) -> Outcome:
    return drive(path, stage, Driver.resume)


def same(one: State, other: State) -> bool:
    """Whether the same serves, can be returned to, and is unfinished."""
    return (one.serving, one.taken, one.contracted, one.unfinished) == (
        *(other.serving, other.taken, other.contracted, other.unfinished),
    )
