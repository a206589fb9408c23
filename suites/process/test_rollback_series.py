"""Releases one after another, good and bad ones, in an order that chance gives."""

from __future__ import annotations

import random
import secrets
from typing import Final

from harness import Observation, floor, record, rollout
from harness.probes.rollout import RolloutProbe
from harness.releases.entries import Outcome, Step
from harness.releases.history import Answered
from harness.site import Site
from suites.releases import FAILING, GOOD, RELEASES, UNREADY, WRITTEN, released

RECOVERY: Final = "process.rollback.recovery"
KINDS: Final = (GOOD, UNREADY, FAILING)
UNWATCHED: Final = rollout("a release is not watched once it serves", "unwatched")
STAYS: Final = rollout("a bad release serves until a person comes", "stays")


@released(RECOVERY, broken_by=(UNWATCHED, STAYS))
def test_each_release_of_a_series_ends_as_it_must(site: Site) -> None:
    """Each good release serves, each bad one is left by itself; every acknowledged write is there once."""
    site.rollout.home()
    seed = secrets.randbits(32)
    order = _order(seed, site.policy.releases.in_a_row)
    record(
        Observation(
            subject=f"{len(order)} releases in a row, seed {seed}", data={"seed": seed, "order": [*order]}
        )
    )
    releases = [
        site.rollout.made(f"2.{seed}.{number}", RELEASES[kind]) for number, kind in enumerate(order, 1)
    ]

    def work(rollouts: RolloutProbe) -> None:
        for one in releases:
            rollouts.release(one)

    seen = site.rollout.rehearse(f"{len(order)} releases in a row, seed {seed}", work)
    acknowledged = sum(write.answered is Answered.ACKNOWLEDGED for write in seen.writing.writes)
    floor(acknowledged >= WRITTEN, f"{acknowledged} writes were acknowledged, {WRITTEN} are the least")

    wrong = [
        f"{number}: {RELEASES[kind].title}: {outcome.result} ({outcome.why or 'without a reason'})"
        for number, (kind, outcome) in enumerate(zip(order, seen.outcomes, strict=True), 1)
        if not _right(kind, outcome)
    ]
    assert not wrong, (
        f"{len(wrong)} of {len(order)} releases ended otherwise, seed {seed}: {'; '.join(wrong)}"
    )
    broken = seen.judged.broken
    assert not broken, f"{len(broken)} of {len(seen.writing.writes)} writes: {'; '.join(broken[:3])}"


def _order(seed: int, number: int) -> list[str]:
    """Each kind once at least, and further ones, shuffled."""
    dice = random.Random(seed)
    order = [*KINDS, *dice.choices(KINDS, k=max(0, number - len(KINDS)))]
    dice.shuffle(order)
    return order


def _right(kind: str, outcome: Outcome) -> bool:
    """Whether a rollout ended as it must: a bad release is left before clients meet it, or soon after."""
    if kind == GOOD:
        return outcome.result == "taken" and outcome.serving == outcome.version
    back = outcome.result == "returned" and outcome.serving == outcome.before
    met = outcome.seconds(Step.SWITCH) is not None
    return back and met == (kind == FAILING)
