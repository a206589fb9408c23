"""Which items a run tries, in which order, and what of them belongs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from harness import collection, spared
from harness.assembly import Assembly
from harness.plugin.scheduling import PLAN, write_plan
from harness.pool import Unit
from harness.session import Session
from harness.trial import Trial

TRIAL: Final = pytest.StashKey[Trial]()


def chosen(
    items: Sequence[pytest.Item], assembly: Assembly, run: Session | None
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the items to be tried, in their order, and the others.

    run: is told of those that are not begun although they were asked for; None where another process tells.
    """
    trials = [item.stash[TRIAL] for item in items]
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for position in collection.in_order(trials, assembly.costs):
        trial = trials[position]
        asked = collection.selected(trial, assembly.options)
        (kept if asked and not _is_spared(trial, assembly, run) else dropped).append(items[position])
    return kept, dropped


def leave_plan(run: Session, items: Sequence[pytest.Item]) -> None:
    """Tell the controller what belongs together. Items that are no checks are units of their own."""
    places = [position for position, item in enumerate(items) if TRIAL in item.stash]
    units = collection.units([items[place].stash[TRIAL] for place in places], run.assembly.costs)
    checks = [replace(unit, items=tuple(places[position] for position in unit.items)) for unit in units]
    others = [
        Unit(items=(place,), home="", cost="quick", seconds=0.0)
        for place in range(len(items))
        if place not in places
    ]
    write_plan(run.workspace.root / PLAN, (*others, *checks))


def _is_spared(trial: Trial, assembly: Assembly, run: Session | None) -> bool:
    """Whether the depth leaves a trial out, or it is inherited."""
    profile = trial.case.profile
    if cost := collection.left_out(trial, assembly.options, assembly.costs):
        event = spared.left_out(trial.check, profile, cost)
    elif origin := assembly.inherited(trial.declaration, trial.case):
        event = spared.inherited(trial.check, profile, origin)
    else:
        return False
    if run is not None:
        run.tell(event)
    return True
