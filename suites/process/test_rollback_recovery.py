"""A bad release is left again by itself, and what was interrupted comes to an end."""

from __future__ import annotations

from typing import Final

from harness import Measurement, floor, prompt, record, rollout
from harness.releases.entries import Step
from harness.site import Site
from suites.releases import FAILING, INTERRUPTED, made, released
from suites.series import tried

RECOVERY: Final = "process.rollback.recovery"

STAYS: Final = rollout("a bad release serves until a person comes", "stays")
UNWATCHED: Final = rollout("a release is not watched once it serves", "unwatched")
FORGETFUL: Final = rollout("what was interrupted stays half way", "forgetful")


@released(RECOVERY, broken_by=(STAYS, UNWATCHED))
def test_a_bad_release_is_left_by_itself_in_time(site: Site) -> None:
    """Clients of a release that fails one request in twenty are back at the old one in time, by itself."""
    seen = tried(site, FAILING)
    outcome = seen.outcome
    floor(outcome.seconds(Step.WATCH) is not None, f"it never served: {outcome.why}")

    assert outcome.result == "returned", f"the rollout ended as {outcome.result}: {outcome.why}"
    assert seen.after.serving == seen.before.serving, "the release from before does not serve again"
    spent, bound = outcome.recovery_s or 0.0, site.policy.releases.recovery_s
    record(
        Measurement(
            name="from the first client of a bad release to its last",
            value=round(spent, 2),
            unit="s",
            samples=1,
            bound=f"at most {bound:g}",
        )
    )
    prompt(spent <= bound, f"the way back took {spent:.1f} s, {bound:g} are allowed")
    assert not seen.broken, f"{len(seen.broken)} writes: {'; '.join(seen.broken[:3])}"


@released(RECOVERY, broken_by=FORGETFUL)
def test_what_was_interrupted_comes_to_a_stable_end(site: Site) -> None:
    """A release and a rollback whose driver ended half way are brought to their end by the next one."""
    rollouts, base = site.rollout, site.rollout.home()
    new = made(site, INTERRUPTED)
    floor(
        rollouts.interrupted(lambda driver: driver.release(new), Step.START, "done"),
        "the release ended before its driver could be interrupted",
    )
    rollouts.resume()
    assert rollouts.state.unfinished is None, "the interrupted release is unfinished still"
    assert rollouts.serving() == new, "the interrupted release does not serve"

    floor(
        rollouts.interrupted(lambda driver: driver.rollback(base.version), Step.SWITCH, "done"),
        "the rollback ended before its driver could be interrupted",
    )
    rollouts.resume()
    assert rollouts.state.unfinished is None, "the interrupted rollback is unfinished still"
    assert rollouts.serving() == base, "the interrupted rollback did not come back"
