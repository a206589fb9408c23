"""Rollouts at a stage in memory: what the probe records, and every misstep that a driver can have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from harness.defects import CLEAN, Added, Edit, Misstep, Variation, edit, remade, rollout
from harness.errors import StageError
from harness.evidence import Recorder, recording
from harness.outcome import NotVerified
from harness.probes.rehearsal import Standing
from harness.probes.rollout import RolloutProbe
from harness.probes.writes import Writing
from harness.records import Chart, Table
from harness.releases.entries import Step
from harness.releases.history import Judged, judge
from harness.releases.stage import Colour, Traffic
from tests.harness.releases.stages import IMAGE, LIMITS, NEW, OLD, MemoryStage, release

ONE, OTHER = edit("", "panotti/one.py", "old", "new"), edit("", "panotti/other.py", "old", "new")
BAD = {"answers": {NEW.version: Traffic(requests=60, errors=6, latency_ms=1.0)}}
Made = Callable[..., RolloutProbe]


class Silent:
    """Writes nothing."""

    @contextmanager
    def __call__(self) -> Iterator[Writing]:
        yield Writing(tenant="nobody")

    def judged(self, writing: Writing) -> Judged:
        return judge(writing.writes, {})


class Bench:
    """Builds in memory: an image is what was laid into it."""

    def __init__(self, stage: MemoryStage) -> None:
        self.stage = stage

    def build(self, changes: Sequence[Edit | Added]) -> str:
        return f"sha256:{hashlib.sha256(repr(changes).encode()).hexdigest()}"

    def tag(self, image: str, tag: str) -> None:
        self.stage.tags[tag] = image

    def untag(self, tag: str) -> None:
        del self.stage.tags[tag]


@pytest.fixture
def made() -> Iterator[Made]:
    probes: list[RolloutProbe] = []

    def make(planted: Variation | Misstep = CLEAN, **given: Any) -> RolloutProbe:
        stage = MemoryStage.serving_old(**given)
        planted = rollout("", planted) if isinstance(planted, str) else planted
        probe = RolloutProbe(stage, LIMITS, Silent(), Bench(stage), first=OLD, planted=planted)
        probes.append(probe)
        return probe

    yield make
    for probe in probes:
        probe.close()


def stage_of(probe: RolloutProbe) -> MemoryStage:
    assert isinstance(probe.stage, MemoryStage)
    return probe.stage


def test_what_a_rollout_came_to_is_evidence(made: Made, recorder: Any) -> None:
    probe = made()

    outcome = probe.release(NEW)
    probe.rollback()

    first, second = (one.data for one in recorder.telling())
    assert (outcome.result, first["serving"], second["serving"]) == ("taken", NEW.version, OLD.version)
    assert [step["step"] for step in first["steps"]] == ["expand", "start", "verify", "switch", "watch"]
    assert [one.operation for one in probe.outcomes] == ["release", "rollback"]
    assert probe.state.serving == OLD.version


def test_an_interrupted_driver_leaves_its_operation_to_be_resumed(made: Made) -> None:
    probe = made()

    assert probe.interrupted(lambda driver: driver.release(NEW), Step.SWITCH, "begun")
    assert probe.state.unfinished is not None
    assert probe.state.unfinished.reached is Step.SWITCH
    outcome = probe.resume()

    assert outcome is not None
    assert (outcome.result, probe.state.unfinished) == ("taken", None)


def test_an_operation_that_ends_before_is_not_interrupted(made: Made) -> None:
    assert not made().interrupted(lambda driver: driver.release(NEW), Step.RETURN, "done")


def test_a_rehearsal_is_done_once_and_shown_to_every_check_that_asks(made: Made) -> None:
    probe = made()
    found = []
    for _ in range(2):
        with recording(Recorder()) as own:
            found.append(probe.rehearse("one release", lambda rollout: rollout.release(NEW)))
        shown = {one.title for one in own.telling() if isinstance(one, Chart | Table)}
        assert {title.partition(": ")[2] for title in shown} == {"one release"}
        assert "release of 1.1.0: taken" in {getattr(one, "subject", "") for one in own.telling()}

    assert found[0] is found[1]
    assert [one.version for one in found[0].outcomes] == [NEW.version]
    assert found[0].samples, "the edge was watched"
    assert found[0].judged.fates == {}


def test_a_rehearsal_begins_at_home_and_tells_what_stood_after_each_rollout(made: Made) -> None:
    probe = made()
    probe.release(NEW)

    seen = probe.rehearse("there and back", lambda rollout: (rollout.release(NEW), rollout.rollback()))

    old, new = Standing(serving=OLD, beside=NEW), Standing(serving=NEW, beside=OLD)
    assert seen.stood == (old, new, old)
    assert [one.operation for one in seen.outcomes] == ["release", "rollback"]


def test_nothing_stands_where_nothing_serves(made: Made) -> None:
    probe = made()
    stage_of(probe).active = None

    assert probe.stands() == Standing(serving=None, beside=None)


def test_schemas_are_contracted(made: Made) -> None:
    probe = made()
    probe.release(NEW)

    assert probe.contract().result == "taken"
    assert probe.state.contracted == NEW.schema


def test_an_unverified_release_gets_traffic_although_it_did_not_start(made: Made) -> None:
    probe = made("unverified", refuses={"start": lambda found: found == NEW})
    stage_of(probe).at[Colour.GREEN] = NEW

    probe.release(NEW)

    assert "force" in stage_of(probe).calls
    assert {"verify", "switch"}.isdisjoint(stage_of(probe).calls)


def test_an_unwatched_release_stays_however_it_does(made: Made) -> None:
    probe = made("unwatched", **BAD)

    assert probe.release(NEW).result == "taken"


def test_a_bad_release_stays_until_a_person_comes(made: Made) -> None:
    probe = made("stays", **BAD)

    assert probe.release(NEW).result == "failed"
    assert stage_of(probe).active is Colour.GREEN


def test_a_forgetful_driver_leaves_things_half_way(made: Made) -> None:
    probe = made("forgetful")
    probe.interrupted(lambda driver: driver.release(NEW), Step.START, "done")

    assert probe.resume() is None
    assert probe.state.unfinished is not None


def test_a_cold_switch_keeps_nothing_to_return_to(made: Made) -> None:
    probe = made("cold")
    probe.release(NEW)

    assert stage_of(probe).at == {Colour.GREEN: NEW}


def test_an_abrupt_switch_ends_what_is_under_way(made: Made) -> None:
    probe = made("abrupt")
    probe.release(NEW)

    calls = stage_of(probe).calls
    assert calls.index("kill") < calls.index("switch")


def test_a_rollback_by_tag_gets_what_the_tag_means_now(made: Made) -> None:
    probe = made("by tag")
    first, second = probe.made("1.1.0", ONE), probe.made("1.2.0", OTHER)
    probe.release(first)
    probe.rollback(OLD.version)
    probe.move_tag(first, second)
    probe.cool()

    probe.rollback("1.1.0")

    serving = probe.serving()
    assert serving is not None
    assert serving.image == second.image != first.image


def test_a_release_is_built_once_with_settings_of_its_own(made: Made) -> None:
    probe = made()

    found = probe.made("1.1.0", ONE)

    assert probe.made("1.1.0", OTHER) is found
    assert found.configuration == f"{OLD.configuration}# 1.1.0\n"
    assert found.image != probe.made("1.2.0", OTHER).image


def test_a_release_is_made_with_what_was_planted_for_it(made: Made) -> None:
    probe = made(remade("destructive", "1.1.0", OTHER))

    assert probe.made("1.1.0", ONE).image != made().made("1.1.0", ONE).image
    assert probe.made("1.2.0", ONE).image == made().made("1.2.0", ONE).image


def test_what_stands_at_either_colour_is_told_and_cooled(made: Made) -> None:
    probe = made()
    probe.release(NEW)
    assert probe.stands() == Standing(serving=NEW, beside=OLD)

    probe.cool()
    assert probe.stands() == Standing(serving=NEW, beside=None)

    probe.warm_up(OLD)
    assert probe.stands() == Standing(serving=NEW, beside=OLD)


def test_every_check_begins_where_the_first_one_did(made: Made) -> None:
    probe = made()
    assert probe.home() == OLD
    probe.release(NEW)
    probe.interrupted(lambda driver: driver.rollback(OLD.version), Step.START, "done")

    assert probe.home() == OLD
    assert probe.serving() == OLD
    assert probe.state.unfinished is None


def test_without_a_way_back_nothing_is_decided(made: Made) -> None:
    probe = made()
    probe.home()
    probe.release(NEW)
    stage_of(probe).refuses = {"verify": lambda found: found == OLD}

    with pytest.raises(NotVerified, match=r"1\.0\.0 could not be returned to"):
        probe.home()
    stage_of(probe).active = None
    with pytest.raises(NotVerified, match="no release serves"):
        probe.home()


def test_tags_go_with_the_probe(made: Made) -> None:
    probe = made()
    probe.made("1.1.0", ONE)

    probe.close()

    assert list(stage_of(probe).tags) == [IMAGE]


def test_a_rollback_with_new_settings_is_no_return(made: Made) -> None:
    probe = made("new settings")
    probe.release(release("1.1.0", configuration="other"))

    probe.rollback()

    assert stage_of(probe).at[Colour.BLUE].configuration == "other" != OLD.configuration


def test_a_failure_of_the_stage_is_the_probes_own(made: Made) -> None:
    probe = made(**BAD, refuses={"switch": lambda found: found == OLD})

    with pytest.raises(StageError):
        probe.release(NEW)
