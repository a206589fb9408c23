"""The exhibits of a run, by page: what its checks recorded to be looked at rather than read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from harness.records import Chart, Diagram, Exhibit, Page, Table
from reports.model import ReportModel
from reports.rows import LABELS, kind

TITLES: Final[Mapping[Page, str]] = {
    "topology": "Topology",
    "performance": "Performance",
    "rollout": "Rollout",
    "fuzz": "Fuzzing",
    "supply-chain": "Supply chain",
}
_WORST_FIRST: Final = tuple(LABELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An exhibit, and whose evidence it is."""

    exhibit: Exhibit
    control: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """One page. groups: exhibits of one title side by side, as one profile after another recorded them."""

    name: Page
    title: str
    groups: tuple[tuple[str, tuple[Shown, ...]], ...]


def pages(model: ReportModel) -> tuple[PageView, ...]:
    """Return the pages that have something to show, those of the strictest profile first in each group."""
    strict = {profile: -number for number, profile in enumerate(model.run.profiles)}
    found: dict[Page, dict[str, list[Shown]]] = {name: {} for name in get_args(Page)}
    for finding in model.findings:
        for item in finding.evidence:
            if isinstance(item, Chart | Table | Diagram):
                shown = Shown(exhibit=item, control=finding.control, profile=finding.profile)
                found[item.page].setdefault(item.title, []).append(shown)
    return tuple(
        PageView(
            name=name,
            title=TITLES[name],
            groups=tuple(
                (title, tuple(sorted(shown, key=lambda s: strict.get(s.profile, 1))))
                for title, shown in groups.items()
            ),
        )
        for name, groups in found.items()
        if groups
    )


def worst_kind(model: ReportModel, controls: tuple[str, ...], profile: str) -> str:
    """Return the worst verdict of `controls` in a profile as the page shows it, "" for none of them."""
    grid = model.grid()
    kinds = {kind(grid[control][profile]) for control in controls if profile in grid.get(control, {})}
    return min(kinds, key=_WORST_FIRST.index, default="")
