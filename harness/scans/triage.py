"""The triage file of a source tree: findings that somebody looked at, and why they are none.

    [fd5723a861946be8]
    finding = "cli.py: possible binding to all interfaces"
    reason = "the address is compared with, nothing is bound to it"

An entry is bound to the finding's fingerprint: it ends when the line changes. Real findings do not belong
here: they are put right, or accepted for a time in waivers.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.errors import TriageError
from harness.tomlfile import Closed, read_toml, to_record

NAME = "triage.toml"
_REMEDY = "An entry is a table named by the fingerprint (printed with the finding), with finding and reason."


@dataclass(frozen=True, slots=True, kw_only=True)
class Triaged(Closed):
    """One finding that is none. finding: what it is about, for the reader; the fingerprint decides."""

    finding: Annotated[str, Field(min_length=10)]
    reason: Annotated[str, Field(min_length=10)]


Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _File(Closed):
    triaged: Mapping[Fingerprint, Triaged]


def read_triage(root: Path) -> dict[str, str]:
    """Return the reasons by fingerprint; none without a file. Raises `TriageError`."""
    path = root / NAME
    if not path.is_file():
        return {}
    tables = {"triaged": read_toml(path, error=TriageError)}
    file = to_record(_File, tables, source=path, remedy=_REMEDY, error=TriageError)
    return {print_: entry.reason for print_, entry in file.triaged.items()}
