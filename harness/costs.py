"""What a check costs: its class and its seconds, as runs have observed them.

They decide only the order of a run, and what the depth `gate` does not begin. A check that asks for more than
its depth allows is left out when it does so (`harness.outcome.costs`), so that a wrong cost costs time and no
verdict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

import orjson

from harness.declared import base_of
from harness.errors import UserError
from harness.evidence import Use
from harness.records import Finding, Timing

CostClass = Literal["quick", "waiting", "measuring", "rollout"]
Depth = Literal["gate", "full"]
CLASSES: Final[tuple[CostClass, ...]] = get_args(CostClass)
DEPTHS: Final[tuple[Depth, ...]] = get_args(Depth)
LEFT_OUT: Final[Mapping[Depth, frozenset[Use]]] = {
    "gate": frozenset({"measuring", "rollout"}),
    "full": frozenset(),
}
FILE: Final = "costs.lock"
_UNKNOWN_S: Final = 3.0
_WAITING_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One check's cost. seconds: by profile, without the start of its deployment."""

    check: str
    cost: CostClass
    seconds: Mapping[str, float] = field(default_factory=dict)


class Costs:
    """The costs of checks, by node id without parameters."""

    def __init__(self, costs: Iterable[Cost] = ()) -> None:
        self._known = {cost.check: cost for cost in costs}

    def class_of(self, check: str) -> CostClass:
        """Return a check's class; `quick` where no run has observed it."""
        known = self._known.get(base_of(check))
        return known.cost if known else "quick"

    def seconds(self, check: str, profile: str) -> float:
        """Return the seconds that a check takes in a profile, or a guess where no run has observed it."""
        known = self._known.get(base_of(check))
        if known is None or not known.seconds:
            return _UNKNOWN_S
        return known.seconds.get(profile, max(known.seconds.values()))

    def updated(
        self, findings: Iterable[Finding], left_out: Mapping[str, CostClass], existing: Iterable[str]
    ) -> tuple[Cost, ...]:
        """Return the costs that a run shows, beside those of other existing checks; in order of the id.

        left_out: the classes of checks that its depth left out. Their seconds are those of an earlier run.
        """
        seen = {cost.check: cost for cost in observed(findings)}
        for check, cost in left_out.items():
            known = self._known.get(check)
            seen.setdefault(check, Cost(check=check, cost=cost, seconds=known.seconds if known else {}))
        kept = {name: self._known[name] for name in existing if name in self._known and name not in seen}
        return tuple(cost for _, cost in sorted({**kept, **seen}.items()))


def class_of(timing: Timing) -> CostClass:
    """Return the class that one trial shows."""
    if "rollout" in timing.uses:
        return "rollout"
    if "measuring" in timing.uses:
        return "measuring"
    spent = timing.wall_s - timing.deployment_s
    waits = timing.demanded_s >= _WAITING_S and timing.demanded_s > spent / 2
    return "waiting" if waits else "quick"


def observed(findings: Iterable[Finding]) -> tuple[Cost, ...]:
    """Return what each check cost: its most expensive class, and its seconds in each profile."""
    by_check: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if not finding.defect:
            by_check[base_of(finding.check)].append(finding)
    return tuple(_cost(check, found) for check, found in by_check.items())


def load(suites: Path) -> Costs:
    """Return the costs kept beside the suites; none where there is no such file. Raises `UserError`."""
    path = suites / FILE
    if not path.is_file():
        return Costs()
    try:
        return Costs(_revive(line) for line in path.read_bytes().splitlines())
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path}: it cannot be read", remedy="Make it again: `harness costs` after `harness verify`."
        ) from None


def keep(suites: Path, costs: Iterable[Cost]) -> Path:
    """Write the costs beside the suites, one check a line; return the path."""
    path = suites / FILE
    whole = path.with_suffix(".tmp")
    whole.write_bytes(b"".join(orjson.dumps(cost, option=orjson.OPT_APPEND_NEWLINE) for cost in costs))
    whole.replace(path)
    return path


def _cost(check: str, findings: Iterable[Finding]) -> Cost:
    classes, seconds = set(), defaultdict[str, float](float)
    for finding in findings:
        classes.add(class_of(finding.timing))
        spent = finding.timing.wall_s - finding.timing.deployment_s
        seconds[finding.profile] = max(seconds[finding.profile], round(spent, 1))
    return Cost(check=check, cost=max(classes, key=CLASSES.index), seconds=dict(sorted(seconds.items())))


def _revive(line: bytes) -> Cost:
    told = orjson.loads(line)
    if told["cost"] not in CLASSES:
        raise ValueError(told["cost"])
    seconds = {str(profile): float(value) for profile, value in told["seconds"].items()}
    return Cost(check=str(told["check"]), cost=told["cost"], seconds=seconds)
