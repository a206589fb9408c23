"""Scanners, one module each, behind one interface: something to scan goes in, a `Scan` comes out.

A scan says what it found, what it looked at, and every reason why it may have missed something. A scanner
that did not see the finding that was planted for it was blind, whatever it says of the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that a scanner found.

    rule: the scanner's own name for it, or the advisory. cwe: "CWE-78"; "" where the scanner names none.
    place: a file below what was scanned, a package, a commit. line: 0 where there is none.
    fingerprint: the same over line numbers, builds and machines: of tool, rule, place and what stands there.
    certain: it is no guess; no triage file explains it away, only a waiver accepts it for a time.
    """

    tool: str
    rule: str
    cwe: str
    severity: Severity
    place: str
    line: int = 0
    text: str
    fingerprint: str
    certain: bool = False

    def __str__(self) -> str:
        where = f"{self.place}:{self.line}" if self.line else self.place
        weakness = f", {self.cwe}" if self.cwe else ""
        return f"{where}: {self.text} ({self.rule}{weakness}, {self.severity}, {self.fingerprint})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What one scanner came to.

    data: the day of the data it used, "" where it needs none. scanned: how much of what: {"files": 44}.
    missed: reasons why it may not have seen everything; none of them may turn into a pass.
    triaged: why findings are none, by fingerprint, as the triage file says.
    """

    tool: str
    version: str
    hits: tuple[Hit, ...]
    scanned: Mapping[str, int]
    missed: tuple[str, ...] = ()
    data: str = ""
    triaged: Mapping[str, str] = field(default_factory=dict)

    @property
    def open(self) -> tuple[Hit, ...]:
        """The findings that nobody has explained."""
        return tuple(hit for hit in self.hits if hit.fingerprint not in self.triaged)

    def explained(self, reasons: Mapping[str, str]) -> Scan:
        """Return it with reasons by fingerprint; the findings stay."""
        known = {hit.fingerprint for hit in self.hits if not hit.certain}
        return replace(self, triaged={print_: why for print_, why in reasons.items() if print_ in known})


def fingerprint(tool: str, rule: str, *looks: str) -> str:
    """Return 16 hexadecimal digits for a finding: what it is and what stands there, not on which line."""
    words = (" ".join(part.split()) for part in (tool, rule, *looks))
    return hashlib.sha256("\n".join(words).encode(errors="replace")).hexdigest()[:16]


def at_least(hits: Iterable[Hit], least: Severity) -> tuple[Hit, ...]:
    """Return the findings of this severity or a higher one."""
    return tuple(hit for hit in hits if SEVERITIES.index(hit.severity) >= SEVERITIES.index(least))
