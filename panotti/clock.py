"""The times that the contract accepts, and the one form they are kept in."""

from __future__ import annotations

import re
from datetime import UTC, datetime

COMPACT = re.compile(r"[0-9]{14}")
EPOCH = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
ISO_8601 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r"([Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)


def parse(text: str) -> datetime:
    """The moment `text` names, in UTC; a time without an offset is UTC.

    Accepts the contract's three: YYYYMMDDHHMMSS, ISO 8601 with or without fraction, seconds since the epoch.
    Raises ValueError for anything else.
    """
    try:
        return _parse(text).astimezone(UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError("not a time: use YYYYMMDDHHMMSS, ISO 8601 or epoch seconds") from None


def _parse(text: str) -> datetime:
    if COMPACT.fullmatch(text):
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    if EPOCH.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if ISO_8601.fullmatch(text):
        moment = datetime.fromisoformat(text.upper())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    raise ValueError(text)


def form(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: text order is time order."""
    # strftime() leaves a year before 1000 without its zeros where the C library does.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def now() -> datetime:
    return datetime.now(UTC)
