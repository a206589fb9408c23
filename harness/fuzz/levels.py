"""When a campaign decides something: a fuzzer that never got past the door has found nothing, and says so.
Pure."""

from __future__ import annotations

from harness.fuzz.records import FuzzResult
from harness.policy.searches import Fuzz

_DESCRIBED = {"coverage", "fuzzing"}


def unfit(result: FuzzResult, fuzz: Fuzz) -> str:
    """Return why a campaign without failures proves nothing, "" when it proves something."""
    if not result.counts:
        return "the description names no operation that could be fuzzed"
    if result.ended:
        return f"the campaign ended early: {result.ended}"
    shut = {name: result.successes(name) for name in result.counts}
    short = [name for name, count in shut.items() if count < fuzz.successes]
    if short:
        return (
            f"{len(short)} of {len(shut)} operations let fewer than {fuzz.successes} authenticated requests "
            f"through, so nothing was tried behind their door: {_some(short)}"
        )
    if not any(counts.keys() & _DESCRIBED for counts in result.counts.values()):
        return "there was no time for what the description gives: its coverage and its fuzzing"
    few = [name for name in result.counts if result.cases(name) < fuzz.cases]
    return f"fewer than {fuzz.cases} cases of {len(few)} operations: {_some(few)}" if few else ""


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
