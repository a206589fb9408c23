"""`harness report`, `harness gate`, `harness catalogue`: what is said of a journal, and of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from math import fsum
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import costs as known
from harness import journal, places
from harness.catalogue import load
from harness.declared import declared_in
from harness.errors import UserError
from harness.gate import Decision, decide
from harness.judge import judge
from harness.plugin.registry import Listed, listed
from harness.session import JOURNALS
from harness.spared import spared_in

LATEST = places.BUILD / "reports" / "latest"
_FORMATS = "harness.reports"
_WRITER = ("harness.reporting", "write_all")


def formats() -> tuple[str, ...]:
    """Return the report formats that are installed."""
    return tuple(sorted(entry.name for entry in entry_points(group=_FORMATS)))


def find(name: str) -> Path:
    """Return a journal's directory; `latest` is the newest one of a verification.

    Raises `UserError` where there is none.
    """
    if name != "latest":
        return Path(name)
    for directory in sorted((places.BUILD / JOURNALS).glob("*"), reverse=True):
        if (directory / journal.HEAD).is_file() and journal.read(directory).run.kind == "verify":
            return directory
    raise UserError("no verification was run yet", remedy="Run `harness verify`.")


def conclude(directory: Path, out: Path, console: Console) -> int:
    """Write every report of a journal, then decide on it; return the gate's status."""
    report(directory, (), out, console)
    return gate(directory, console, shown=20)


def report(directory: Path, wanted: Sequence[str], out: Path, console: Console) -> int:
    """Write the reports of a journal, all of them when none is named; from the journal alone."""
    group, name = _WRITER
    found = entry_points(group=group, name=name)
    if not found:
        raise UserError("no report is installed", remedy="Run `make setup`.")
    write_all: Callable[..., dict[str, Path]] = next(iter(found)).load()
    for path in write_all(directory, tuple(wanted) or formats(), out).values():
        console.print(escape(str(path)), soft_wrap=True)
    return 0


def decided(directory: Path, key: str = "") -> Decision:
    """Return the gate's decision on a journal. key: fingerprint of the key that must have signed it."""
    view = journal.read(directory)
    return decide(view, judge(view, load()), key=key)


def gate(directory: Path, console: Console, *, shown: int, key: str = "") -> int:
    """Print the decision and why; return 0 open, 1 closed, 2 could not decide."""
    decision = decided(directory, key)
    console.print(decision.sentence)
    for reason in decision.why[:shown]:
        console.print(escape(f"  {reason.splitlines()[0]}"), soft_wrap=True)
    if len(decision.why) > shown:
        console.print(f"  … and {len(decision.why) - shown} more")
    return decision.status


def costs(directory: Path, suites: Path, console: Console) -> int:
    """Keep what a journal's checks cost beside the suites; print the classes."""
    view = journal.read(directory)
    declared = [check.check for check in declared_in(view.events)]
    left_out = {check: cost for (check, _), cost in spared_in(view.events).left_out.items()}
    kept = known.load(suites).updated(view.findings, left_out, declared)
    path = known.keep(suites, kept)
    for name in known.CLASSES:
        seconds = [sum(one.seconds.values()) for one in kept if one.cost == name]
        console.print(f"{name}: {len(seconds)} checks, {fsum(seconds):.0f} s over all profiles")
    console.print(escape(str(path)), soft_wrap=True)
    return 0


def catalogue(suites: Path, console: Console, globs: Sequence[str], *, as_json: bool) -> int:
    """Print the controls with their checks and defects."""
    rows = [_row(control, found) for control, found in _with_checks(suites, globs)]
    if as_json:
        console.file.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    table = Table(title=f"{len(rows)} controls", title_justify="left")
    for name in ("control", "severity", "profiles", "checks", "defects", "title"):
        table.add_column(name)
    for row in rows:
        defects = sum(len(check["defects"]) for check in row["checks"])
        profiles = "all" if len(row["profiles"]) == 4 else ", ".join(row["profiles"])
        table.add_row(
            *(
                row["id"],
                row["severity"],
                profiles,
                str(len(row["checks"])),
                str(defects),
                escape(row["title"]),
            )
        )
    console.print(table)
    return 0


def _with_checks(suites: Path, globs: Sequence[str]) -> list[tuple[Any, list[Listed]]]:
    controls = load().match(globs or ("*",))
    checks: dict[str, list[Listed]] = defaultdict(list)
    for check in listed(suites) if suites.is_dir() else ():
        checks[check.declaration.control].append(check)
    return [(control, checks[control.id]) for control in controls]


def _row(control: Any, checks: Sequence[Listed]) -> dict[str, Any]:
    return {
        "id": control.id,
        "title": control.title,
        "requirement": control.requirement,
        "profiles": list(control.profiles),
        "severity": control.severity,
        "references": list(control.references),
        "remedy": control.remedy,
        "checks": [
            {
                "check": check.check,
                "profiles": list(check.declaration.profiles),
                "runtimes": list(check.declaration.runtimes),
                "defects": [defect.title for defect in check.declaration.broken_by],
            }
            for check in checks
        ],
    }
