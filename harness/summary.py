"""What a run came to, in a terminal: control groups by profiles, where the time went, why it is not open."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import fsum
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness import journal
from harness.catalogue import load
from harness.console import render
from harness.costs import CLASSES, class_of
from harness.gate import CLOSED, OPEN, UNDECIDED, Decision, Status, decide_executed
from harness.journal import JournalView
from harness.judge import ControlResult, judge
from harness.proof import proofs_of
from harness.records import Event, Finding, Proof
from harness.sealing import described
from harness.session import Session
from harness.spared import spared_in
from harness.verdict import Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.WAIVED: "cyan",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.NOT_VERIFIED: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
}
_WORST_FIRST = (
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.NOT_VERIFIED,
    Verdict.WAIVED,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)
_WHY_SHOWN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run's exit status, and what to print at its end. parts: empty where another process prints it."""

    status: Status
    parts: tuple[RenderableType, ...] = field(default=())

    def text(self, *, width: int, colour: bool) -> str:
        """Return the parts as a terminal of that width shows them."""
        return render(*self.parts, width=width, colour=colour)


def conclude(run: Session) -> Outcome:
    """Read the journal that this process wrote to, and say what came of it."""
    view = journal.read(run.directory)
    if not run.owner:
        return Outcome(status=_own_share(view, run))
    if view.run.kind == "selftest":
        proofs = proofs_of(view)
        return Outcome(status=selftest_status(view, proofs), parts=(matrix(proofs), *footer(view)))
    decision = decide_executed(view)
    return Outcome(status=decision.status, parts=(*verdicts(view), *reasons(decision), *footer(view)))


def reasons(decision: Decision) -> Iterator[Text]:
    """Yield why a decision is not open, one line each, a few of them."""
    for reason in decision.why[:_WHY_SHOWN]:
        yield Text(f"  {reason.splitlines()[0]}")
    if len(decision.why) > _WHY_SHOWN:
        yield Text(f"  … and {len(decision.why) - _WHY_SHOWN} more; `harness report` shows them all")


def verdicts(view: JournalView) -> tuple[RenderableType, ...]:
    """Return the table of control groups by profiles, of those that something looked at."""
    results = [result for result in judge(view, load()) if result.checks]
    if not results:
        return (Text("No check ran."),)
    table = Table(title="Controls by verdict", title_justify="left")
    table.add_column("group", no_wrap=True)
    for profile in view.run.profiles:
        table.add_column(profile)
    groups = dict.fromkeys(_group(result) for result in results)
    for group in groups:
        table.add_row(group, *_cells([r for r in results if _group(r) == group], view.run.profiles))
    if len(groups) > 1:
        table.add_section()
        table.add_row("all", *_cells(results, view.run.profiles))
    return (table,)


def footer(view: JournalView) -> Iterator[RenderableType]:
    """Yield where the time went, what was not begun, and where the journal is."""
    elapsed = datetime.now(UTC) - datetime.fromisoformat(view.run.started)
    yield Text(f"Elapsed: {elapsed.total_seconds():.0f} s")
    yield Text(times(view.findings))
    yield from (Text(line) for line in (*classes(view.findings), *not_begun(view.events)))
    for problem in view.problems:
        yield Text(f"The journal is incomplete: {problem}", style="bold red")
    yield Text(f"Signed: {described(view.run.signer) or 'by nobody'}", overflow="fold")
    yield Text(f"Journal: {_shown(view.path)}", overflow="fold")


def times(findings: Iterable[Finding]) -> str:
    """Say where the checks' seconds went."""
    timings = [finding.timing for finding in findings]
    wall = fsum(t.wall_s for t in timings)
    deployment = fsum(t.deployment_s for t in timings)
    demanded = fsum(t.demanded_s for t in timings)
    target = fsum(t.target_s for t in timings)
    own = max(wall - deployment - demanded - target, 0.0)
    share = f" ({own / wall:.0%})" if wall else ""
    return (
        f"Time: {wall:.1f} s in {len(timings)} checks: deployments {deployment:.1f} s, waits that controls "
        f"demand {demanded:.1f} s, the target {target:.1f} s, the harness {own:.1f} s{share}"
    )


def classes(findings: Sequence[Finding]) -> Iterator[str]:
    """Say what each cost class took."""
    told = []
    for name in CLASSES:
        seconds = [f.timing.wall_s - f.timing.deployment_s for f in findings if class_of(f.timing) == name]
        told += [f"{name} {fsum(seconds):.1f} s in {len(seconds)}"] if seconds else []
    if told:
        yield f"Checks by cost: {', '.join(told)}"


def not_begun(events: Iterable[Event]) -> Iterator[str]:
    """Say what was left out, and what was inherited."""
    found = spared_in(events)
    if left := Counter(found.left_out.values()):
        told = ", ".join(f"{number} {cost}" for cost, number in left.items())
        yield f"Depth gate: {left.total()} checks were left out ({told}); --depth full decides them"
    for source, number in Counter(origin.source for origin in found.inherited.values()).items():
        yield f"Inherited from {source}: {number} checks"


def matrix(proofs: Sequence[Proof]) -> RenderableType:
    """Return the self-test's matrix: every defect of every control, and what became of it."""
    if not proofs:
        return Text("No defect was tried.")
    table = Table(title="Counterexamples", title_justify="left")
    for name in ("control", "defect", "outcome", "clean twin"):
        table.add_column(name)
    styles = {"caught": "green", "missed": "bold red", "error": "bold magenta"}
    for proof in sorted(proofs, key=lambda p: (p.control, p.check, p.defect)):
        table.add_row(
            proof.control,
            proof.defect,
            Text(proof.outcome, style=styles[proof.outcome]),
            Text("pass", style="green") if proof.clean else Text("did not pass", style="bold red"),
        )
    return Group(table, Text(totals(proofs)))


def totals(proofs: Sequence[Proof]) -> str:
    """Say how many defects were caught, missed and errors, and how many clean twins did not pass."""
    counts = Counter(proof.outcome for proof in proofs)
    spoilt = len({proof.check for proof in proofs if not proof.clean})
    return (
        f"{len(proofs)} defects: {counts['caught']} caught, {counts['missed']} missed, "
        f"{counts['error']} error; {spoilt} checks whose clean twin did not pass"
    )


def selftest_status(view: JournalView, proofs: Sequence[Proof]) -> Status:
    """Return 0 when every defect was caught and every clean twin passed, 1 when one was not, else 2."""
    if not proofs or not view.complete or any(proof.outcome == "error" for proof in proofs):
        return UNDECIDED
    return OPEN if all(proof.outcome == "caught" and proof.clean for proof in proofs) else CLOSED


def _own_share(view: JournalView, run: Session) -> Status:
    """Decide on this process's profiles alone: the journal has no end yet, its owner decides on the whole."""
    own = tuple(f for f in view.findings if f.profile in run.assembly.profiles)
    share = replace(view, findings=own, complete=True, problems=())
    if view.run.kind == "selftest":
        return selftest_status(share, proofs_of(share))
    return decide_executed(share).status


def _group(result: ControlResult) -> str:
    return result.control.rpartition(".")[0]


def _cells(results: Iterable[ControlResult], profiles: Sequence[str]) -> Iterator[Text]:
    counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for result in results:
        counts[result.profile][result.verdict] += 1
    for profile in profiles:
        yield _cell(counts[profile])


def _cell(counts: Counter[Verdict]) -> Text:
    cell = Text()
    for verdict in _WORST_FIRST:
        if counts[verdict]:
            cell.append(f"{', ' if cell else ''}{counts[verdict]} {verdict.value}", style=STYLES[verdict])
    return cell


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
