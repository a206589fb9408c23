"""What Locust says at the end of a scenario: the figures beside their levels, and the exit status."""

from __future__ import annotations

import sys

from harness.load.decision import decide
from harness.load.levels import rows, undelivered
from harness.load.records import LoadResult
from harness.policy import load_policy


def conclude(result: LoadResult, profile: str) -> int:
    """Print what a run came to; return 0 within the service levels, 2 without a verdict.

    profile: whose levels they are; "" prints and decides nothing.
    """
    if not profile:
        return 0
    levels = load_policy(profile).service_levels
    say = sys.stdout.write
    say(f"{result.offered} of {result.planned} planned requests begun, {result.lag_ms:.2f} ms late (p99)\n")
    for row in rows(result, levels):
        times = f"p50 {row.p50:.1f}  p95 {row.p95:.1f}  p99 {row.p99:.1f} ms"
        say(f"  {row.step:<8}{row.samples:>7} requests  {times}\n")
    if not result.judged:
        say(f"{result.served:.1f} requests a second were answered rightly in the second half\n")
        return 0
    decision = decide([result], levels)
    if reason := undelivered(result) or decision.undecided():
        say(f"no verdict: {reason}\n")
        return 2
    for level in decision.broken():
        # Without a witness nobody knows whether the machine was to blame.
        say(f"no verdict: {level}, and no witness stood beside it; `harness load` brings one\n")
    say("" if decision.broken() else f"within the service levels of {profile}\n")
    return 2 if decision.broken() else 0
