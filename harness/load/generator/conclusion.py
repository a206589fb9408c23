"""What Locust says at the end of a scenario: the figures beside their levels, and the exit status."""

from __future__ import annotations

import sys

from harness.load.levels import broken, rows, unfit
from harness.load.records import LoadResult
from harness.policy import load_policy


def conclude(result: LoadResult, profile: str) -> int:
    """Print what a run came to; return 0 within the service levels, 1 outside, 2 without a verdict.

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
    if reason := unfit(result, levels):
        say(f"no verdict: {reason}\n")
        return 2
    found = broken(result, levels)
    say("".join(f"outside of the service levels of {profile}: {one}\n" for one in found))
    say("" if found else f"within the service levels of {profile}\n")
    return 1 if found else 0
