"""`harness fuzz` as a user meets it: what it prints, how it ends, and mistakes."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from harness import places
from harness.commands import fuzz as command
from harness.errors import ProbeFailed, UserError
from harness.fuzz.corpus import Corpus
from harness.fuzz.oracles import Complaint
from harness.fuzz.records import FuzzResult, Tally
from harness.options import Options
from harness.outcome import NotVerified
from harness.policy import load_policy
from harness.probes.fuzz import Replay
from harness.records import Exchange
from tests.harness.fuzz.conftest import TAKE
from tests.harness.fuzz.test_parts import failure

TESTING = Options(profiles=("testing",), runtime="process")
PUBLIC = places.PROJECT / "tests/targets/plain/contract.toml"
ENOUGH = Tally(statuses=Counter({200: 20}), successes=20)


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


def text(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


class Site:
    """A deployment whose campaigns come to what they are told."""

    def __init__(self, outcome: Any) -> None:
        self.profile = "testing"
        self.openapi = SimpleNamespace(document={"paths": {"/a": {"get": {}, "post": {}}}})
        self.policy = load_policy("testing")
        self.fuzz = SimpleNamespace(campaign=self.campaign, replay=lambda _: outcome)
        self.outcome = outcome
        self.asked: dict[str, Any] = {}

    def campaign(self, *, progress: Any, **asked: Any) -> Any:
        self.asked = asked
        progress(3, 1)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(outcome: Any) -> Site:
        site = Site(outcome)

        @contextmanager
        def brought_up(*_: Any) -> Iterator[Site]:
            yield site

        monkeypatch.setattr(command, "_brought_up", brought_up)
        return site

    return put


def result(**given: Any) -> FuzzResult:
    usual: dict[str, Any] = {
        "seed": 5,
        "budget_s": 1.0,
        "elapsed_s": 1.0,
        "counts": {TAKE: {"coverage": ENOUGH}},
    }
    return FuzzResult(**{**usual, **given})


def test_nothing_found_is_0_with_operations_by_phases(at: Any, screen: Console) -> None:
    site = at(result())

    assert command.fuzz(TESTING, screen, budget_s=2.0, seed=5) == 0
    assert site.asked == {"budget_s": 2.0, "seed": 5, "read_only": False}
    said = text(screen)
    assert "Operations by phase at testing" in said
    assert "Seed 5; again: harness fuzz -p testing --seed 5" in said
    assert "Nothing found in 20 cases of 1 operations." in said


def test_a_failure_is_1_and_says_how_to_see_it_again(at: Any, screen: Console) -> None:
    at(result(failures=(failure(),), trouble=("GET /x: no schema",)))

    assert command.fuzz(TESTING, screen, budget_s=2.0, seed=None) == 1
    assert f"{failure().id}  POST /notes as writer: server-error: 500" in text(screen)
    assert "harness fuzz --replay ID" in text(screen)
    assert "Not made requests of: GET /x: no schema" in text(screen)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (
            result(counts={TAKE: {"values": Tally(statuses=Counter({401: 20}))}}),
            "No verdict: 1 of 1 operations let",
        ),
        (NotVerified("no key could be made"), "Nothing was decided of testing: no key could be made."),
    ],
)
def test_nothing_tried_is_2(at: Any, screen: Console, outcome: Any, said: str) -> None:
    at(outcome)

    assert command.fuzz(TESTING, screen, budget_s=2.0, seed=None) == 2
    assert said in text(screen)


def test_a_bad_description_is_an_error_with_its_remedy(at: Any, screen: Console) -> None:
    at(ProbeFailed("the API description cannot be fuzzed: no version", remedy="Give a valid one."))

    with pytest.raises(ProbeFailed, match="cannot be fuzzed"):
        command.fuzz(TESTING, screen, budget_s=2.0, seed=None)


@pytest.mark.parametrize("budget_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_of_nothing_is_refused(screen: Console, budget_s: float) -> None:
    with pytest.raises(UserError, match="--budget"):
        command.fuzz(TESTING, screen, budget_s=budget_s, seed=None)


@pytest.mark.parametrize(
    ("complaints", "status", "said"),
    [
        ((Complaint(oracle="server-error", detail="500"),), 1, "It is still answered 5xx: 500."),
        ((), 0, "Nothing is wrong with this answer any more."),
    ],
)
def test_a_kept_failure_is_shown_again(
    at: Any,
    screen: Console,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    complaints: Any,
    status: int,
    said: str,
) -> None:
    corpus = Corpus(tmp_path)
    corpus.keep([failure()], target="reference", profile="testing", seed=1)
    monkeypatch.setattr(command, "Corpus", lambda: corpus)
    shown = Exchange(
        method="POST",
        url="/notes",
        request_headers=(),
        status=500,
        elapsed_ms=1.0,
        curl="curl -X POST /notes",
    )
    at(Replay(exchange=shown, complaints=complaints))

    assert command.replay(failure().id, TESTING, screen) == status
    assert "curl -X POST /notes" in text(screen)
    assert said in text(screen)


def test_a_failure_of_another_target_is_refused(
    screen: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    corpus = Corpus(tmp_path)
    corpus.keep([failure()], target="source:elsewhere", profile="testing", seed=1)
    monkeypatch.setattr(command, "Corpus", lambda: corpus)

    with pytest.raises(UserError, match="was seen at source:elsewhere, not at reference") as refusal:
        command.replay(failure().id, TESTING, screen)

    assert "--target" in refusal.value.remedy


def test_an_unknown_failure_is_refused_before_anything_starts(
    screen: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "Corpus", lambda: Corpus(tmp_path))

    with pytest.raises(UserError, match='no failure "nothing"'):
        command.replay("nothing", TESTING, screen)


AT_A_URL = {"target": "http://127.0.0.1:9", "runtime": None, "contract": PUBLIC}


@pytest.mark.parametrize(("leave", "read_only"), [({}, True), ({"intrusive": True}, False)])
def test_what_was_up_before_is_only_read_without_leave(
    at: Any, screen: Console, leave: dict[str, Any], read_only: bool
) -> None:
    site = at(result())

    command.fuzz(replace(TESTING, **AT_A_URL, **leave), screen, budget_s=1, seed=5)

    assert site.asked["read_only"] is read_only
    assert ("Only what changes nothing is sent" in text(screen)) is read_only


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(at: Any, screen: Console) -> None:
    site = at(result())

    status = command.fuzz(replace(TESTING, **AT_A_URL), screen, budget_s=1, seed=5, dry_run=True)

    assert (status, site.asked) == (0, {})
    shown = [" ".join(line.split()) for line in text(screen).splitlines()]
    assert {"POST /a no: it may change what is there", "GET /a yes"} <= set(shown)


def test_what_may_change_something_is_not_sent_again_without_leave(
    at: Any, screen: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = SimpleNamespace(target="http://127.0.0.1:9", profile="testing", failure=failure())
    monkeypatch.setattr(Corpus, "get", lambda *_: kept)
    at(result())

    with pytest.raises(UserError, match="may change what is there"):
        command.replay("f1", replace(TESTING, **AT_A_URL), screen)
