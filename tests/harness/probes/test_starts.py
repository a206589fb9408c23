from __future__ import annotations

from dataclasses import replace

import pytest

from harness import places
from harness.contract import ApiKey, Contract, Launch, read_contract
from harness.defects import Secret, Setting, setting
from harness.outcome import Absent, NotVerified
from harness.probes.starts import Mistake, StartProbe, refused
from harness.runtimes import StartFailure

CONTRACT = read_contract(places.CONTRACT)


class Target:
    """Refuses settings of these names; says so of all of them, or of the first only."""

    def __init__(self, *bad, says="all", status=2):
        self.bad, self.says, self.status, self.starts = bad, says, status, []

    def __call__(self, variation, limit):
        names = [change.key for change in variation.changes]
        self.starts.append(names)
        found = [name for name in names if name in self.bad]
        if not found:
            return None
        told = {"all": found, "first": found[:1], "nothing": []}[self.says]
        return StartFailure(status=self.status, output=f"refused: {', '.join(told)}.")


def mistakes(*names):
    return [Mistake(name=name, variation=setting(**{name: "x"})) for name in names]


def verdicts(target, *names):
    attempts = StartProbe(target, CONTRACT).attempts(mistakes(*names), timeout_s=1)
    return [attempt.verdict for attempt in attempts]


def test_several_mistakes_share_a_start_when_the_refusal_names_them_all():
    target = Target("A", "B", "C")

    assert verdicts(target, "A", "B", "C") == ["", "", ""]
    assert target.starts == [["A", "B", "C"]]


def test_a_target_that_stops_at_the_first_mistake_is_asked_for_each_alone():
    target = Target("A", "B", says="first")

    assert verdicts(target, "A", "B") == ["", ""]
    assert target.starts == [["A", "B"], ["B"]]


def test_a_mistake_that_starts_is_found_beside_one_that_is_refused():
    assert verdicts(Target("A"), "A", "B") == ["", "it started with: B=x"]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target("A", says="nothing"), "it refused, but did not name A: A=x"),
        (Target("A", status=0), "it ended with status 0 with: A=x"),
        (Target("A", status=None), "it neither started nor ended with: A=x"),
    ],
)
def test_what_is_no_refusal_is_told(target, told):
    assert verdicts(target, "A") == [told]


def test_two_mistakes_of_one_name_never_share_a_start():
    target = Target("A")
    twice = [*mistakes("A"), Mistake(name="A", variation=setting(A="y"))]

    StartProbe(target, CONTRACT).attempts(twice, timeout_s=1)

    assert target.starts == [["A"], ["A"]]


def test_a_start_is_tried_once(recorder):
    target = Target("A")
    probe = StartProbe(target, CONTRACT)

    first, again = (probe.attempts(mistakes("A"), timeout_s=1) for _ in range(2))

    assert first == again
    assert len(target.starts) == 1
    assert recorder.total == 1


@pytest.mark.parametrize(
    ("output", "named"),
    [
        ("secret api_key is missing", True),
        ("API_KEY: missing", True),
        ("file /run/secrets/api_key", True),
        ("MY_API_KEY_2", False),
        ("", False),
    ],
)
def test_a_name_is_a_whole_word(output, named):
    assert Mistake(name="api_key", variation=setting(A=1)).named_in(output) is named


def test_a_secret_is_planted_where_the_contract_says_that_it_comes_from():
    own = StartProbe(Target(), CONTRACT)
    by_variable = Contract(name="other", launch=replace(Launch(), api_key=ApiKey(env="THE_KEY")))
    other = StartProbe(Target(), by_variable)

    assert own.secret("api_key", None).changes == (Secret(name="api_key", value=None),)
    assert other.secret("api_key", None).changes == (Setting(key="THE_KEY", value=""),)
    with pytest.raises(Absent, match="names no secret 'token_key'"):
        other.secret("token_key", None)


def test_no_attempt_at_all_proves_nothing():
    with pytest.raises(NotVerified):
        refused([])


class Slow(Target):
    """Comes to nothing within any time, a right configuration included."""

    def __call__(self, variation, limit):
        return StartFailure(status=None, output="")


def test_on_too_slow_a_machine_nothing_is_shown():
    with pytest.raises(NotVerified, match="too slow"):
        verdicts(Slow(), "A")
    with pytest.raises(NotVerified, match="too slow"):
        StartProbe(Slow(), CONTRACT).outcome(setting(A="x"), timeout_s=1)


def test_the_outcome_of_one_start_is_told():
    probe = StartProbe(Target("A"), CONTRACT)

    assert probe.outcome(setting(B="x"), timeout_s=1) is None
    assert probe.outcome(setting(A="x"), timeout_s=1).status == 2


class Busy(Target):
    """Comes to nothing the first time, as on a machine that is busy just then."""

    def __call__(self, variation, limit):
        known = [change.key for change in variation.changes] in self.starts
        outcome = super().__call__(variation, limit)
        return outcome if known or not variation.changes else StartFailure(status=None, output="")


def test_a_start_that_came_to_nothing_is_held_against_a_right_one_beside_it():
    target = Busy("A")

    assert verdicts(target, "A") == [""]
    assert sorted(target.starts) == [[], ["A"], ["A"]]
