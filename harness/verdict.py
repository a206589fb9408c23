"""The one algebra of verdicts: worst wins, and an empty run is an error."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What a check, a control or a run came to. `WAIVED` is only ever a control's or a run's."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    ERROR = "error"
    NOT_VERIFIED = "not-verified"
    NOT_APPLICABLE = "not-applicable"
    WAIVED = "waived"


_BADNESS = {
    Verdict.NOT_APPLICABLE: 0,
    Verdict.PASS: 1,
    Verdict.WAIVED: 2,
    Verdict.NOT_VERIFIED: 3,
    Verdict.ERROR: 4,
    Verdict.FAIL: 5,
}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of `verdicts`: fail > error > not-verified > waived > pass > not-applicable.

    Nothing at all is `error`: a run without a single verdict has decided nothing.
    """
    return max(verdicts, key=_BADNESS.__getitem__, default=Verdict.ERROR)
