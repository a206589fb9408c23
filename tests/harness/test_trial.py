"""One item while it is tried: from what its phases raised to the finding."""

from __future__ import annotations

from typing import Any

import pytest

from harness.declare import Declaration
from harness.defects import blinding, setting
from harness.errors import DeploymentFailed, ProbeFailed
from harness.outcome import Absent, NotApplicable, NotVerified
from harness.planning import Case, Need, Refusal
from harness.records import Observation
from harness.redaction import VAULT
from harness.runtimes import CannotShow, Specification
from harness.trial import NO_EVIDENCE, Trial
from harness.verdict import Verdict
from tests.harness import make

ANY = setting(title="any origin", CORS_ORIGINS="*")
SEEN = Observation(subject="seen", data={"value": 1})


class Skipped(BaseException):
    """What a test runner skips with."""


def trial(**given: Any) -> Trial:
    usual: dict[str, Any] = {
        "check": f"{make.CHECK}[production]",
        "claim": "A claim.",
        "source": "suites/test_cors.py:5",
        "declaration": Declaration(control=make.CONTROL, broken_by=(ANY,)),
        "case": Case(profile="production"),
        "need": Need(runtime="process", specification=Specification(profile="production")),
        "skipped": Skipped,
    }
    made = Trial(**{**usual, **given})
    made.begin()
    return made


@pytest.mark.parametrize(
    ("error", "verdict", "message"),
    [
        (AssertionError("it was granted"), Verdict.FAIL, "it was granted"),
        (AssertionError(), Verdict.FAIL, "the assertion does not hold"),
        (Absent("no capability"), Verdict.FAIL, "no capability"),
        (NotVerified("noise"), Verdict.NOT_VERIFIED, "noise"),
        (NotVerified(), Verdict.NOT_VERIFIED, "no reason was given"),
        (CannotShow("no container"), Verdict.NOT_VERIFIED, "no container"),
        (NotApplicable("no users"), Verdict.NOT_APPLICABLE, "no users"),
        (ProbeFailed("cut", remedy="Again."), Verdict.ERROR, "cut\n  → Again."),
        (DeploymentFailed("boom"), Verdict.ERROR, "boom"),
        (Skipped("later"), Verdict.NOT_VERIFIED, "skipped: later"),
        (ZeroDivisionError("by zero"), Verdict.ERROR, "ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), Verdict.ERROR, "KeyboardInterrupt: "),
    ],
)
def test_what_a_check_raises_is_its_verdict(error: BaseException, verdict: Verdict, message: str) -> None:
    tried = trial()
    tried.recorder.add(SEEN)

    assert tried.take("call", error, 0.1) is verdict
    assert (tried.verdict, tried.message) == (verdict, message)


def test_without_evidence_nothing_passes() -> None:
    tried = trial()

    assert tried.take("call", None, 0.1) is Verdict.NOT_VERIFIED
    assert tried.message == NO_EVIDENCE


def test_setting_up_and_clearing_away_decide_nothing_when_they_go_well() -> None:
    tried = trial()
    tried.recorder.add(SEEN)

    assert tried.take("setup", None, 0.1) is None
    assert tried.take("call", None, 0.2) is Verdict.PASS
    assert tried.take("teardown", None, 0.3) is None
    finding = tried.finding(target="reference", command="pytest")
    assert (finding.verdict, finding.message) == (Verdict.PASS, "")
    assert finding.timing.wall_s == pytest.approx(0.6)


def test_a_failing_end_spoils_a_pass() -> None:
    tried = trial()
    tried.recorder.add(SEEN)
    tried.take("call", None, 0.1)
    tried.take("teardown", ProbeFailed("the fault was not taken back"), 0.1)

    assert (tried.verdict, tried.message) == (Verdict.ERROR, "the fault was not taken back")


def test_what_never_ran_is_an_error() -> None:
    tried = trial()
    tried.take("setup", None, 0.1)

    assert (tried.verdict, tried.message) == (Verdict.ERROR, "the check did not run")


def test_a_second_try_starts_anew() -> None:
    tried = trial()
    tried.recorder.add(SEEN)
    tried.take("call", AssertionError("once"), 5.0)
    tried.begin()
    tried.recorder.add(SEEN)
    tried.take("call", None, 0.25)

    finding = tried.finding(target="reference", command="pytest")
    assert finding.verdict is Verdict.PASS
    assert finding.evidence_total == 1
    assert finding.timing.wall_s == 0.25


@pytest.mark.parametrize(
    ("defect", "error", "caught"),
    [(ANY, AssertionError(), True), (ANY, None, False), (None, None, True), (None, AssertionError(), False)],
)
def test_the_self_test_demands_a_failure_with_the_defect_and_a_pass_without(
    defect: Any, error: BaseException | None, caught: bool
) -> None:
    tried = trial(case=Case(profile="production", defect=defect, selftest=True))
    tried.recorder.add(SEEN)
    tried.take("call", error, 0.1)

    assert tried.caught is caught


@pytest.mark.parametrize(
    ("error", "caught"),
    [(NotVerified("blind"), True), (None, False), (AssertionError(), False), (ValueError(), False)],
)
def test_a_check_that_cannot_see_must_not_decide(error: BaseException | None, caught: bool) -> None:
    tried = trial(case=Case(profile="production", defect=blinding(ANY), selftest=True))
    tried.recorder.add(SEEN)
    tried.take("call", error, 0.1)

    assert tried.caught is caught


class TestFinding:
    def test_it_says_what_was_tried_on_what_and_how_to_see_it_again(self) -> None:
        tried = trial(case=Case(profile="production", defect=ANY, selftest=True))
        tried.recorder.add(SEEN)
        tried.take("call", AssertionError("it was granted"), 0.1)

        finding = tried.finding(target="image:mine", command="pytest --target image:mine")

        assert finding.control == make.CONTROL
        assert (finding.runtime, finding.target, finding.profile) == ("process", "image:mine", "production")
        assert (finding.defect, finding.defect_key) == ("any origin", ANY.key)
        assert finding.again == f"pytest --target image:mine '{tried.check}'"
        assert finding.evidence == (SEEN,)
        assert finding.started == tried.started != ""

    def test_one_that_no_runtime_can_show_names_none(self) -> None:
        assert trial(need=Refusal(reason="no")).finding(target="reference", command="pytest").runtime == ""

    def test_it_keeps_the_telling_part_of_much_evidence_and_counts_all(self) -> None:
        tried = trial()
        for number in range(100):
            tried.recorder.add(Observation(subject=str(number), data={}))
        tried.take("call", None, 0.1)

        finding = tried.finding(target="reference", command="pytest")

        assert finding.evidence_total == 100
        assert len(finding.evidence) == 40

    def test_secrets_are_hidden_before_it_is_fingerprinted(self) -> None:
        prints = set()
        for secret in ("first-secret-of-the-deployment", "other-secret-of-the-deployment"):
            VAULT.learn(secret, "$TRIAL_KEY")
            tried = trial()
            tried.take("call", AssertionError(f"the log holds {secret}"), 0.1)
            finding = tried.finding(target="reference", command="pytest")
            assert secret not in repr(finding)
            prints.add(finding.fingerprint)

        assert len(prints) == 1
