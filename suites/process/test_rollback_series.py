"""Releases one after another, good and bad ones, in an order that chance gives."""

from __future__ import annotations

from typing import Final

from harness import floor, prompt, rollout
from harness.releases.history import Answered
from harness.site import Site
from suites.releases import WRITTEN, released
from suites.series import late, right, series

RECOVERY: Final = "process.rollback.recovery"
UNWATCHED: Final = rollout("a release is not watched once it serves", "unwatched")
STAYS: Final = rollout("a bad release serves until a person comes", "stays")


@released(RECOVERY, broken_by=(UNWATCHED, STAYS))
def test_each_release_of_a_series_ends_as_it_must(site: Site) -> None:
    """Each good release serves, each bad one is left by itself; every acknowledged write is there once."""
    found = series(site)
    wrong = found.ended(lambda kind, outcome: not right(kind, outcome) and not late(kind, outcome))
    assert not wrong, f"a release ended otherwise, seed {found.seed}: {'; '.join(wrong)}"
    slow = found.ended(late)
    prompt(not slow, f"a release was left before it met a client, seed {found.seed}: {'; '.join(slow)}")

    writes, broken = found.seen.writing.writes, found.seen.judged.broken
    acknowledged = sum(write.answered is Answered.ACKNOWLEDGED for write in writes)
    floor(acknowledged >= WRITTEN, f"{acknowledged} writes were acknowledged, {WRITTEN} are the least")
    assert not broken, f"{len(broken)} of {len(writes)} writes: {'; '.join(broken[:3])}"
