"""A release is verified before any client meets it."""

from __future__ import annotations

from typing import Final

from harness import floor, rollout
from harness.releases.entries import Step
from harness.site import Site
from suites.releases import FORGETTING, UNREADY, released
from suites.series import MEANWHILE, Tried, tried

VERIFICATION: Final = "process.deploy.verification"

UNVERIFIED: Final = rollout("a release gets traffic, ready or not", "unverified")
BY_HEALTH: Final = rollout("a release gets traffic as soon as it says that it is ready", "by health")


@released(VERIFICATION, broken_by=UNVERIFIED)
def test_a_release_that_is_never_ready_gets_no_traffic(site: Site) -> None:
    """A release that does not become ready is not switched to, and clients do not notice it."""
    _gets_no_traffic(tried(site, UNREADY), "was never ready")


@released(VERIFICATION, broken_by=BY_HEALTH)
def test_a_release_that_fails_its_smoke_check_gets_no_traffic(site: Site) -> None:
    """A release that is ready and cannot keep a write is not switched to."""
    _gets_no_traffic(tried(site, FORGETTING), "keeps no write")


def _gets_no_traffic(seen: Tried, what: str) -> None:
    outcome, writing = seen.outcome, seen.writing
    assert outcome.seconds(Step.SWITCH) is None, f"clients were sent to a release that {what}"
    assert outcome.result == "returned", f"the rollout ended as {outcome.result}: {outcome.why}"
    floor(
        len(writing.writes) >= MEANWHILE, f"{len(writing.writes)} writes meanwhile, {MEANWHILE} are the least"
    )
    assert not writing.failed, f"writes failed meanwhile: {writing.told()}"
