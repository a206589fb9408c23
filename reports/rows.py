"""The page's own arrangement of a model: the catalogue as a tree, what wants work, what stayed open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.catalogue import Control
from harness.verdict import Verdict
from reports.model import ProofCount, ReportModel, Result

UNCHECKED = "unchecked"
UNPROVEN = "unproven"
LABELS: Mapping[str, str] = {
    Verdict.FAIL.value: "fail",
    Verdict.ERROR.value: "error",
    Verdict.NOT_VERIFIED.value: "not verified",
    UNPROVEN: "unproven",
    Verdict.WAIVED.value: "waived",
    Verdict.PASS.value: "pass",
    Verdict.NOT_APPLICABLE.value: "n/a",
    UNCHECKED: "no check yet",
}
_ORDER = tuple(LABELS)
# Only a failure says something of the server, so only then the control's own remedy is of use.
_REMEDIES: Mapping[str, str] = {
    Verdict.ERROR.value: (
        "The check broke before it could judge, so nothing is known of the server. "
        "Mend what the reason names, and run it again."
    ),
    Verdict.NOT_VERIFIED.value: "The evidence did not suffice. Give it what the reason asks for, and repeat.",
    UNPROVEN: "Run `harness selftest --if-stale`. Where it misses a defect, make the check catch it.",
    UNCHECKED: "Take it out of what the policy requires, or write a check for it.",
}


def kind(result: Result) -> str:
    """The verdict as the page shows it: a pass without proof, and what nothing looked at, stand apart."""
    if result.unchecked and result.verdict is Verdict.NOT_VERIFIED:
        return UNCHECKED
    if result.verdict is Verdict.PASS and result.unproven:
        return UNPROVEN
    return result.verdict.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One control beside its results, in the order of the profiles."""

    control: Control
    results: tuple[Result, ...]
    proof: ProofCount
    search: str

    @property
    def required(self) -> bool:
        return any(result.required for result in self.results)

    @property
    def proven(self) -> bool:
        return not any(result.unproven for result in self.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows of one control group."""

    name: str
    rows: tuple[Row, ...]

    @property
    def idle(self) -> bool:
        """Whether nothing looked at any of it."""
        return all(kind(result) == UNCHECKED for row in self.rows for result in row.results)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The groups of one area. tally: how often each kind of verdict occurs, worst first."""

    name: str
    groups: tuple[Group, ...]
    tally: tuple[tuple[str, int], ...]

    @property
    def idle(self) -> bool:
        """Whether nothing looked at any of it."""
        return all(group.idle for group in self.groups)

    @property
    def size(self) -> int:
        return sum(len(group.rows) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A control that wants work: its reasons, each with the results that gave it."""

    control: Control
    blocks: bool
    kind: str
    remedy: str
    reasons: tuple[tuple[str, tuple[Result, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """A reason why something was not verified, and where."""

    reason: str
    unchecked: bool
    controls: tuple[tuple[str, tuple[str, ...]], ...]  # control id, profiles


def tree(model: ReportModel) -> tuple[Area, ...]:
    """Return the catalogue as areas of groups of rows."""
    grid = model.grid()
    areas: dict[str, dict[str, list[Row]]] = {}
    for control in model.controls:
        row = _row(control, tuple(grid.get(control.id, {}).values()))
        areas.setdefault(control.area, {}).setdefault(control.group, []).append(row)
    return tuple(
        Area(
            name=area,
            groups=tuple(Group(name=name, rows=tuple(rows)) for name, rows in groups.items()),
            tally=tally(r for rows in groups.values() for row in rows for r in row.results),
        )
        for area, groups in areas.items()
    )


def _row(control: Control, results: tuple[Result, ...]) -> Row:
    words = [control.id, control.title, control.requirement, *control.references]
    words += dict.fromkeys(result.reason for result in results)
    return Row(
        control=control,
        results=results,
        proof=max((result.proof for result in results), key=lambda p: p.total, default=ProofCount()),
        search=" ".join(word for word in words if word).lower(),
    )


def tally(results: Iterator[Result]) -> tuple[tuple[str, int], ...]:
    """Return how often each kind occurs, worst first, without those that do not."""
    kinds = [kind(result) for result in results]
    return tuple((name, kinds.count(name)) for name in _ORDER if name in kinds)


def work(model: ReportModel) -> tuple[Work, ...]:
    """Return the controls that failed, erred, or stayed open though required; what blocks the gate first."""
    grid = model.grid()
    found = [entry for control in model.controls for entry in _work(control, grid.get(control.id, {}))]
    rank = {"critical": 0, "high": 1, "medium": 2, "low": 3}
    return tuple(sorted(found, key=lambda w: (not w.blocks, _ORDER.index(w.kind), rank[w.control.severity])))


def _work(control: Control, results: Mapping[str, Result]) -> Iterator[Work]:
    bad = [r for r in results.values() if r.blocks or r.verdict in {Verdict.FAIL, Verdict.ERROR}]
    if not bad:
        return
    reasons: dict[str, list[Result]] = {}
    for result in bad:
        reasons.setdefault(result.reason, []).append(result)
    worst = min((kind(result) for result in bad), key=_ORDER.index)
    yield Work(
        control=control,
        blocks=any(result.blocks for result in bad),
        kind=worst,
        remedy=_REMEDIES.get(worst, control.remedy),
        reasons=tuple((reason, tuple(group)) for reason, group in reasons.items()),
    )


def open_questions(model: ReportModel) -> tuple[Open, ...]:
    """Return every reason for a `not-verified`, the ones that something looked at first."""
    reasons: dict[tuple[bool, str], dict[str, list[str]]] = {}
    for result in model.results:
        if result.verdict is Verdict.NOT_VERIFIED:
            where = reasons.setdefault((result.unchecked, result.reason), {})
            where.setdefault(result.control, []).append(result.profile)
    return tuple(
        Open(
            reason=reason,
            unchecked=unchecked,
            controls=tuple((control, tuple(profiles)) for control, profiles in where.items()),
        )
        for (unchecked, reason), where in sorted(reasons.items(), key=lambda item: item[0][0])
    )
