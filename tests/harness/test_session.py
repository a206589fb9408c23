"""One process's share of a run: its journal, its deployments, its trials, and what becomes of a full disk."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import assembly, journal, places, session, watchdog
from harness.assembly import Assembly
from harness.declare import Declaration
from harness.defects import CLEAN, Variation, rollout, setting
from harness.errors import JournalError, RuntimeUnavailable, UserError
from harness.journal import JournalFull
from harness.options import Options
from harness.outcome import NotApplicable, NotVerified
from harness.planning import Case, Need, Refusal
from harness.records import UNSOUND, Event, Observation
from harness.runtimes import Specification
from harness.session import Session, segment_name
from harness.trial import Trial
from harness.verdict import Verdict
from harness.workspace import DIRECTORY_VARIABLE
from tests.harness import make
from tests.harness.core.fakes import FakeRuntime, FakeSite

ANY = setting(title="any origin", CORS_ORIGINS="*")
Open = Callable[..., Session]


def trial(name: str = "test_a", variation: Variation = CLEAN, **given: Any) -> Trial:
    usual: dict[str, Any] = {
        "check": f"suites/test_x.py::{name}[production]",
        "claim": "A claim.",
        "source": "suites/test_x.py:1",
        "declaration": Declaration(control=make.CONTROL, broken_by=(ANY,), setup=variation),
        "case": Case(profile="production"),
        "need": Need(
            runtime="process", specification=Specification(profile="production", variation=variation)
        ),
        "skipped": RuntimeError,
    }
    return Trial(**{**usual, **given})


def needed_by(one: Trial) -> Need:
    assert isinstance(one.need, Need)
    return one.need


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime) -> Iterator[Open]:
    """Open a share of a run on the fake runtime, with its journal in `tmp_path/j`."""
    monkeypatch.delenv(watchdog.RUN_VARIABLE, raising=False)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setattr(assembly, "runtime_for", lambda *_, **__: runtime)
    monkeypatch.setattr(assembly, "detect", lambda _: "process")
    monkeypatch.setattr(session, "Site", FakeSite)
    opened: list[Session] = []

    def make_one(segment: str = "child", **options: Any) -> Session:
        one = Session(Assembly(Options(**options)), directory=tmp_path / "j", segment=segment)
        opened.append(one)
        return one

    yield make_one
    for one in reversed(opened):
        one.close()


def test_the_first_begins_the_journal_and_others_join_it(begin: Open, tmp_path: Path) -> None:
    owner, child = begin(), begin(segment="production-7")

    assert (owner.owner, child.owner) == (True, False)
    child.tell(Event(name="seen"))
    child.close()
    owner.close()
    owner.close()
    view = journal.read(tmp_path / "j")
    assert view.complete, view.problems
    assert {path.name for path in (tmp_path / "j").iterdir()} == {
        "run.json",
        "main.jsonl",
        "production-7.jsonl",
    }


def test_a_journal_that_cannot_be_joined_leaves_no_workspace(begin: Open, tmp_path: Path) -> None:
    begin().close()

    with pytest.raises(JournalError, match="finished journal"):
        begin()
    assert journal.read(tmp_path / "j").complete


def test_what_could_not_be_cleared_away_stands_in_the_journal(
    begin: Open, runtime: FakeRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise RuntimeUnavailable("a container stays", remedy="Remove it.")

    run = begin()
    run._runtimes["process"] = runtime  # type: ignore[assignment]
    monkeypatch.setattr(runtime, "close", refuse)

    with pytest.raises(RuntimeUnavailable):
        run.close()

    monkeypatch.undo()
    (event,) = [event for event in journal.read(tmp_path / "j").events if event.name == UNSOUND]
    assert "a container stays" in str(event.detail["what"])


class TestTrials:
    def test_a_trial_becomes_a_finding_and_its_deployment_is_let_go(
        self, begin: Open, runtime: FakeRuntime, tmp_path: Path
    ) -> None:
        run, tried = begin(), trial(variation=ANY)
        run.plan({"a": tried}, announce=True)
        tried.begin()
        run.admit(tried)
        site: Any = run.site(tried)
        tried.recorder.add(Observation(subject="seen", data={}))
        tried.take("call", None, 0.1)
        run.settle("a")
        run.finish(tried)
        run.close()

        assert site.settled == 1
        assert [d.specification.variation for d in runtime.stopped] == [ANY]
        view = journal.read(tmp_path / "j")
        assert [f.verdict for f in view.findings] == [Verdict.PASS]
        assert [(e.profile, e.detail) for e in view.events if e.name == "planned"] == [
            ("production", {"items": 1})
        ]

    def test_checks_on_one_deployment_share_its_site(self, begin: Open) -> None:
        run, one, other = begin(), trial("test_a"), trial("test_b")
        run.plan({"a": one, "b": other}, announce=False)

        assert run.site(one) is run.site(other)

    def test_a_site_of_a_deployment_that_was_let_go_is_not_handed_out_again(self, begin: Open) -> None:
        run, one, later = begin(), trial("test_a", ANY), trial("test_b", ANY)
        run.plan({"a": one}, announce=False)
        first: Any = run.site(one)
        run.settle("a")

        second: Any = run.site(later)

        assert second is not first
        assert not second.deployment.stopped

    def test_a_defect_of_releases_is_planted_for_its_trial_alone(self, begin: Open) -> None:
        abrupt = rollout("", "abrupt")
        run, clean = begin(), trial("test_a")
        defect = trial("test_b", need=replace(needed_by(clean), planted=abrupt))
        run.plan({"a": clean, "b": defect}, announce=False)

        site: Any = run.site(clean)
        assert site.planted == CLEAN
        assert run.site(defect) is site
        assert site.planted == abrupt

    def test_a_deployment_that_a_trial_has_spoiled_is_replaced(self, begin: Open) -> None:
        run, one, other = begin(), trial("test_a"), trial("test_b")
        run.plan({"a": one, "b": other}, announce=False)
        first: Any = run.site(one)
        first.spoiled = True

        run.settle("a")

        second: Any = run.site(other)
        assert second is not first
        assert not second.deployment.stopped

    def test_a_twin_is_of_the_other_profile_and_is_settled_too(self, begin: Open) -> None:
        run, tried = begin(), trial(variation=ANY)
        run.plan({"a": tried}, announce=False)

        site: Any = run.site(tried)
        twin: Any = site.twin("staging")
        run.settle("a")

        assert twin.deployment.specification == Specification(profile="staging", variation=ANY)
        assert twin.others["policy"].profile == "staging"
        assert (site.settled, twin.settled) == (1, 1)

    def test_what_no_runtime_can_show_is_not_verified(self, begin: Open, runtime: FakeRuntime) -> None:
        run, refused = begin(), trial(need=Refusal(reason="no container"))
        run.plan({"a": refused}, announce=False)

        with pytest.raises(NotVerified, match="no container"):
            run.admit(refused)
        assert runtime.asked == []

    def test_what_the_policy_excuses_is_not_applicable_and_starts_nothing(
        self, begin: Open, runtime: FakeRuntime
    ) -> None:
        run = begin()
        excused, reason = next(iter(run.assembly.policies["development"].not_applicable.items()))
        tried = trial(
            declaration=Declaration(control=excused, broken_by=(ANY,)), case=Case(profile="development")
        )
        run.plan({"a": tried}, announce=False)
        run.deployments.look_ahead()

        with pytest.raises(NotApplicable) as ended:
            run.admit(tried)
        assert str(ended.value) == reason
        assert runtime.asked == []


class TestFullDisk:
    @pytest.fixture
    def full(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        def no_room(descriptor: int, line: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        return lambda: monkeypatch.setattr(journal, "append", no_room)

    def test_an_event_that_does_not_fit_ends_the_run_at_the_next_finding(
        self, begin: Open, full: Callable[[], None], tmp_path: Path
    ) -> None:
        run, tried = begin(), trial()
        full()
        run.tell(Event(name="deployment.ready"))
        run.tell(Event(name="deployment.ready"))

        assert isinstance(run.failure, JournalFull)
        with pytest.raises(JournalFull):
            run.finish(tried)
        run.close()
        assert not journal.read(tmp_path / "j").complete

    def test_a_finding_is_written_before_an_earlier_failure_is_raised(self, begin: Open) -> None:
        run = begin()
        run.failure = JournalFull("an event did not fit")

        with pytest.raises(JournalFull, match="an event did not fit"):
            run.finish(trial())
        assert len(journal.read(run.directory).findings) == 1


def test_a_url_without_a_key_is_said_before_anything_runs(
    begin: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(profiles=("production",), target="http://127.0.0.1:1", contract=places.CONTRACT)
    run.assembly.options = Options(**{**_asked(run), "runtime": "external"})
    monkeypatch.setattr(assembly, "runtime_for", lambda *_, **__: FakeRuntime("external"))

    with pytest.raises(UserError, match="no key for the target"):
        run.open()


def test_a_segment_is_named_by_profile_worker_and_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.os, "getpid", lambda: 4711)

    assert segment_name(("production",), "") == "production-4711"
    assert segment_name(("testing", "production"), "gw1") == "all-gw1-4711"


def _asked(run: Session) -> dict[str, Any]:
    options = run.assembly.options
    return {name: getattr(options, name) for name in Options.__slots__}
