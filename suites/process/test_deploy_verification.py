"""A release is verified before any client meets it."""

from __future__ import annotations

from typing import Final

from harness import defect, floor, rollout
from harness.releases.entries import Step
from harness.site import Site
from suites.releases import FORGETTING, UNREADY, WRITTEN, released, tried
from suites.replicas import NOT_CHECKED

VERIFICATION: Final = "process.deploy.verification"

UNVERIFIED: Final = defect(
    "a release gets traffic, ready or not, from its rollout and from the edge",
    rollout("", "unverified"),
    NOT_CHECKED,
)
BY_HEALTH: Final = rollout("a release gets traffic as soon as it says that it is ready", "by health")


@released(VERIFICATION, broken_by=UNVERIFIED)
def test_a_release_that_is_never_ready_gets_no_traffic(site: Site) -> None:
    """A release that does not become ready is not switched to, and clients do not notice it."""
    seen = tried(site, UNREADY)
    floor(len(seen.writing.writes) >= WRITTEN, f"{len(seen.writing.writes)} writes, {WRITTEN} are the least")
    (outcome,) = seen.outcomes

    assert outcome.seconds(Step.SWITCH) is None, "clients were sent to a release that was never ready"
    assert outcome.result == "returned", f"the rollout ended as {outcome.result}: {outcome.why}"
    assert not seen.writing.failed, f"writes failed meanwhile: {seen.writing.told()}"


@released(VERIFICATION, broken_by=BY_HEALTH)
def test_a_release_that_fails_its_smoke_check_gets_no_traffic(site: Site) -> None:
    """A release that is ready and cannot keep a write is not switched to."""
    seen = tried(site, FORGETTING)
    (outcome,) = seen.outcomes

    assert outcome.seconds(Step.SWITCH) is None, "clients were sent to a release that keeps no write"
    assert outcome.result == "returned", f"the rollout ended as {outcome.result}: {outcome.why}"
    assert not seen.writing.failed, f"writes failed meanwhile: {seen.writing.told()}"
