"""A check that was too slow is tried again, with the machine to itself, as far as the run can give it.

The first try that is quick enough decides: other work only adds to a time. The first that is too slow
decides, too, where nothing else was at work. Where something was, it tells nothing, and the check is tried
once more, `RETRIES` times at most. A target that is too slow in a share s of its tries passes with at most
the probability 1 - s ** (1 + RETRIES), and mostly 1 - s ** 2: `python -m bench.noise` shows what follows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from harness.disturbance import told, watch
from harness.evidence import record
from harness.outcome import NotVerified, TooSlow
from harness.records import Json, Observation

RETRIES: Final = 2


def retry(
    first: TooSlow, attempt: Callable[[], object], again: Callable[[], AbstractContextManager[None]]
) -> None:
    """Try again until a try decides; each is kept in the finding.

    again: takes back what a try left, and gives the next one the machine. Raises AssertionError where the
    target is to blame, and NotVerified where nothing was decided.
    """
    tries: dict[str, Json] = {"try 1": str(first)}
    try:
        for number in range(2, RETRIES + 2):
            with again(), watch() as seen:
                slow = _slow(attempt)
            disturbed = told(seen.moments)
            tries[f"try {number}, alone"] = str(slow) if slow else "quick enough"
            tries[f"try {number} was disturbed by"] = disturbed or "nothing"
            if slow is None:
                return
            if not disturbed:
                _decide(slow)
        raise NotVerified(f"{slow}; other work disturbed every try: {disturbed}")
    finally:
        # At the end: of a long list of evidence the last is kept.
        record(Observation(subject="tries of a check that was too slow", data=tries))


def _slow(attempt: Callable[[], object]) -> TooSlow | None:
    try:
        attempt()
    except TooSlow as slow:
        return slow
    return None


def _decide(slow: TooSlow) -> None:
    if slow.failure:
        raise AssertionError(str(slow))
    raise NotVerified(str(slow))
