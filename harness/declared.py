"""Which checks exist and what must break them, as the journal records it beside the findings.

The judge needs this to see what did not run, and which counterexamples are still owed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.records import Event

EVENT = "check.declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredCheck:
    """One check as it was collected.

    check: node id without parameters. cases: how many items it has in each profile.
    profiles: where it means something; empty for all. defects: (key, title) of each.
    blinding: keys of those that take its sight away: they must make it `not-verified` and not `fail`.
    """

    control: str
    check: str
    claim: str = ""
    cases: int = 1
    profiles: tuple[str, ...] = ()
    proof_profile: str = "production"
    defects: tuple[tuple[str, str], ...] = ()
    blinding: tuple[str, ...] = ()

    def applies_in(self, profile: str) -> bool:
        """Whether it means something in this profile."""
        return not self.profiles or profile in self.profiles

    def event(self, at: str) -> Event:
        """Return the journal's event that carries it."""
        detail: dict[str, Any] = {
            "control": self.control,
            "check": self.check,
            "claim": self.claim,
            "cases": self.cases,
            "profiles": list(self.profiles),
            "proof_profile": self.proof_profile,
            "defects": [list(defect) for defect in self.defects],
            "blinding": list(self.blinding),
        }
        return Event(name=EVENT, at=at, detail=detail)


def base_of(check: str) -> str:
    """Return a check's node id without its parameters."""
    return check.partition("[")[0]


def declared_in(events: Iterable[Event]) -> tuple[DeclaredCheck, ...]:
    """Return the checks that a journal says exist, each once; several writers may have said so."""
    known: dict[str, DeclaredCheck] = {}
    for event in events:
        if event.name == EVENT and (check := _revive(dict(event.detail))):
            known.setdefault(check.check, check)
    return tuple(known.values())


def _revive(detail: dict[str, Any]) -> DeclaredCheck | None:
    """None for one that was edited: the journal's own check of its lines has named it."""
    try:
        detail["profiles"] = tuple(detail["profiles"])
        detail["defects"] = tuple((str(key), str(title)) for key, title in detail["defects"])
        detail["blinding"] = tuple(detail.get("blinding", ()))
        check = DeclaredCheck(**detail)
    except (KeyError, TypeError, ValueError):
        return None
    return check if isinstance(check.check, str) and isinstance(check.cases, int) else None
