"""Checks that a run did not begin, as its journal tells: left out by its depth, or inherited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from harness.costs import CLASSES, CostClass
from harness.declared import base_of
from harness.journal import now
from harness.records import Event, Json

LEFT_OUT: Final = "check.left-out"
INHERITED: Final = "check.inherited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The profile whose finding counts, and the control that shows both profiles to be the same."""

    source: str
    premise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """By check (node id without parameters) and profile. left_out: its cost class."""

    left_out: dict[tuple[str, str], CostClass] = field(default_factory=dict)
    inherited: dict[tuple[str, str], Origin] = field(default_factory=dict)


def left_out(check: str, profile: str, cost: str) -> Event:
    """Return the event of a check that the run's depth leaves out."""
    return Event(name=LEFT_OUT, profile=profile, at=now(), detail={"check": base_of(check), "cost": cost})


def inherited(check: str, profile: str, origin: Origin) -> Event:
    """Return the event of a check whose finding in another profile counts for this one too."""
    detail: dict[str, Json] = {"check": base_of(check), "source": origin.source, "premise": origin.premise}
    return Event(name=INHERITED, profile=profile, at=now(), detail=detail)


def spared_in(events: Iterable[Event]) -> Spared:
    """Return what a journal says was not begun."""
    spared = Spared()
    for event in events:
        at, told = (str(event.detail.get("check")), event.profile), event.detail
        if event.name == LEFT_OUT:
            spared.left_out[at] = next(name for name in CLASSES if name == told["cost"])
        elif event.name == INHERITED:
            spared.inherited[at] = Origin(source=str(told["source"]), premise=str(told["premise"]))
    return spared
