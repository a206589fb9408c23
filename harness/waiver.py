"""Waivers: an owned, reasoned, expiring acceptance of one finding, which it annotates and never removes.

It is bound to control, profile and the finding's fingerprint, so that it re-opens when the failure changes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from harness.catalogue import Catalogue
from harness.errors import WaiverError
from harness.profiles import Profile
from harness.records import Finding, Json
from harness.tomlfile import Closed, read_toml, to_record
from harness.verdict import Verdict

WAIVABLE = frozenset({Verdict.FAIL, Verdict.NOT_VERIFIED})
_REMEDY = (
    "A waiver is [[waiver]] with control, profile, fingerprint (printed with the finding), owner, "
    "reason, and expires = 2027-01-31T00:00:00Z, in UTC."
)
# A status that was answered is what the failure is; any other number is of this build, port or moment.
_PASSING = re.compile(
    r"(?P<status>\b(?:answer(?:s|ed)?|refused|status)(?: with| by)? [1-5]\d\d\b(?![.\d]))"
    r"|0x[0-9a-f]+|\b(?=[0-9a-f-]*[0-9])[0-9a-f-]{8,}\b|\d+(?:\.\d+)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver(Closed):
    """One acceptance. expires: a moment in UTC; from then on the finding counts again."""

    control: str
    profile: Profile
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    owner: Annotated[str, Field(min_length=2)]
    reason: Annotated[str, Field(min_length=10)]
    expires: AwareDatetime

    def active(self, at: datetime) -> bool:
        """Whether it holds at that moment."""
        return at < self.expires

    def days_left(self, at: datetime) -> int:
        """Whole days until it expires; negative afterwards."""
        return (self.expires - at) // timedelta(days=1)

    def accepts(self, finding: Finding) -> bool:
        """Whether it is about this very finding."""
        return finding.verdict in WAIVABLE and (self.control, self.profile, self.fingerprint) == (
            finding.control,
            finding.profile,
            finding.fingerprint,
        )

    def record(self) -> dict[str, Json]:
        """Return it as the head of a journal carries it."""
        return {
            "control": self.control,
            "profile": self.profile,
            "fingerprint": self.fingerprint,
            "owner": self.owner,
            "reason": self.reason,
            "expires": self.expires.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _File(Closed):
    waiver: tuple[Waiver, ...] = ()


def read_waivers(path: Path, catalogue: Catalogue) -> tuple[Waiver, ...]:
    """Return the waivers of a file. Raises `WaiverError` that names the file and every wrong key."""
    file = to_record(
        _File, read_toml(path, error=WaiverError), source=path, remedy=_REMEDY, error=WaiverError
    )
    for number, waiver in enumerate(file.waiver):
        if waiver.control not in catalogue:
            raise WaiverError(
                f'{path}:\n  waiver.{number}.control: no control is called "{waiver.control}"',
                remedy="`harness catalogue` lists every control.",
            )
        if waiver.expires.utcoffset() != timedelta(0):
            raise WaiverError(f"{path}:\n  waiver.{number}.expires: not in UTC", remedy=_REMEDY)
    return file.waiver


def revive_waivers(records: Iterable[Mapping[str, Any]]) -> tuple[Waiver, ...]:
    """Return the waivers that the head of a journal carries. Raises `WaiverError`."""
    return tuple(
        to_record(Waiver, dict(record), source="the journal's waivers", remedy=_REMEDY, error=WaiverError)
        for record in records
    )


def fingerprint(*, control: str, check: str, profile: str, message: str) -> str:
    """Return what a finding looks like in 16 hexadecimal digits, the same over builds, ports and times."""
    looks = _PASSING.sub(lambda found: found["status"] or "#", " ".join(message.split()))
    text = "\n".join((control, check, profile, looks))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
