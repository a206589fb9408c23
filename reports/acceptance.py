"""The waivers of a run as a report shows them: who accepted what, how long, and whether it still fits."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from harness.journal import JournalView
from harness.waiver import Waiver as Accepted
from harness.waiver import revive_waivers
from reports.model import Waiver


def waivers_of(view: JournalView) -> tuple[Waiver, ...]:
    """Return the waivers that the run was given, in their order. Days count from the start of the run."""
    started = datetime.fromisoformat(view.run.started)
    return tuple(_waiver(waiver, view, started) for waiver in revive_waivers(view.run.waivers))


def _waiver(waiver: Accepted, view: JournalView, at: datetime) -> Waiver:
    return Waiver(
        control=waiver.control,
        profile=waiver.profile,
        fingerprint=waiver.fingerprint,
        owner=waiver.owner,
        reason=waiver.reason,
        expires=str(waiver.record()["expires"]),
        days_left=waiver.days_left(at),
        state=_state(waiver, view, at),
    )


def _state(
    waiver: Accepted, view: JournalView, at: datetime
) -> Literal["in force", "expired", "matches nothing"]:
    if not waiver.active(at):
        return "expired"
    fits = any(waiver.accepts(finding) for finding in view.findings if not finding.defect)
    return "in force" if fits else "matches nothing"
