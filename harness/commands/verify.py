"""`harness verify` and `harness selftest`: the suites through pytest, and the journal they leave."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from harness import journal, places, workspace
from harness.assembly import Assembly
from harness.commands.running import Child, follow, spawn
from harness.errors import UserError
from harness.gate import OPEN, UNDECIDED, decide_executed
from harness.journal import JournalView, now
from harness.options import Options
from harness.plugin.distribution import WORKERS
from harness.proof import Tried, tried_in
from harness.records import INTERRUPTED, UNSOUND, Event, Proof
from harness.session import JOURNALS
from harness.summary import footer, matrix, reasons, selftest_status, totals, verdicts
from harness.target import Address
from harness.workspace import Workspace

_RAN = {0, 1}  # pytest's own statuses for "came to its end"
_DECIDED = {*_RAN, 2}  # and what the suites' own decision may be
_KILLED = 2  # how often Ctrl-C was pressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of the child: the journal as it was left, and the exit status that it means.

    sound: it came to its end and cleared away.
    """

    view: JournalView
    interrupted: bool
    sound: bool
    status: int = 2

    def decided(self, status: int) -> Ran:
        """Return it with the status that its journal decides, if it may decide anything."""
        doubtful = self.interrupted or (status == OPEN and not self.sound)
        return replace(self, status=UNDECIDED if doubtful else status)


def verify(options: Options, suites: Path, console: Console, *, workers: int | None = None) -> Ran:
    """Verify the profiles, all of them in one pool of workers; None: as many as fit the machine."""
    assembly = Assembly(replace(options, suites=suites))
    arguments = [*options.arguments(), "--depth", options.depth]
    for profile in options.asked_profiles:
        arguments += ["--profile", profile]
    ran = _run(assembly, suites, [*arguments, "-n", str(_workers(assembly, workers))], console)
    for part in verdicts(ran.view):
        console.print(part)
    decision = decide_executed(ran.view)
    for line in reasons(decision):
        console.print(line)
    _close(ran, console)
    return ran.decided(decision.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestRun:
    """What became of a self-test: its run, and every defect that it tried."""

    ran: Ran
    tried: tuple[Tried, ...]


def selftest(
    options: Options, suites: Path, console: Console, *, workers: int, json: Path | None
) -> SelfTestRun:
    """Plant the defects. The status is 0 when all were caught and every clean twin passed."""
    options = replace(options, selftest=True, suites=suites)
    arguments = ["--selftest", *options.arguments()]
    if options.due is not None:
        arguments += ["--due", str(options.due)]
    for profile in options.profiles:
        arguments += ["--profile", profile]
    ran = _run(Assembly(options), suites, [*arguments, "-n", str(workers)], console)
    tried = tried_in(ran.view)
    proofs = [one.proof for one in tried]
    console.print(matrix(proofs))
    _close(ran, console)
    if json is not None:
        _write(json, ran.view, proofs)
    return SelfTestRun(ran=ran.decided(selftest_status(ran.view, proofs)), tried=tried)


def _workers(assembly: Assembly, asked: int | None) -> int:
    """Return how many workers verify; 0 is none beside the child itself."""
    if asked is not None:
        return asked
    few = len(assembly.profiles) == 1 and bool(assembly.options.controls)
    return 0 if few or isinstance(assembly.target, Address) else WORKERS


def _run(assembly: Assembly, suites: Path, arguments: Sequence[str], console: Console) -> Ran:
    if not suites.is_dir():
        raise UserError(f"{suites}: there is no such folder of checks", remedy="Name one with --suites.")
    with Workspace.open() as space:
        assembly.refuse_early(space)
        directory = assembly.options.journal or places.BUILD / JOURNALS / space.run_id
        writer = journal.create(directory, assembly.head(space.run_id))
        try:
            child = spawn(assembly.kind, suites, directory, arguments)
            interrupted = follow(child, assembly.profiles, directory, console)
            if interrupted:
                writer.write(Event(name=INTERRUPTED, at=now()))
            elif child.status not in _DECIDED:
                what = f"pytest ended with status {child.status}"
                writer.write(Event(name=UNSOUND, at=now(), detail={"what": what}))
            if interrupted >= _KILLED:
                workspace.discard(space.run_id)
            _complain(child, console)
        finally:
            writer.end()
    sound = child.status in _RAN
    return Ran(view=journal.read(directory), interrupted=bool(interrupted), sound=sound)


def _complain(child: Child, console: Console) -> None:
    """Show what a child printed that ended without having run its checks."""
    if child.status not in _RAN and _said(child):
        console.print(escape(f"{child.label}: pytest ended with status {child.status}:\n{child.tail()}"))


def _said(child: Child) -> bool:
    return "error" in child.log.read_text(errors="replace").lower()


def _close(ran: Ran, console: Console) -> None:
    for part in footer(ran.view):
        console.print(part, soft_wrap=True)
    note = str(ran.view.run.environment.get("proofs", ""))
    if note and ran.view.run.kind == "verify":
        console.print(Text(f"Proofs: {note}"))


def _write(path: Path, view: JournalView, proofs: Sequence[Proof]) -> None:
    counts = {name: sum(p.outcome == name for p in proofs) for name in ("caught", "missed", "error")}
    content = {
        "run": view.run.run_id,
        "complete": view.complete,
        "totals": {"defects": len(proofs), **counts, "clean": sum(p.clean for p in proofs)},
        "summary": totals(proofs),
        "proofs": list(proofs),
    }
    try:
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    except OSError as cause:
        raise UserError(
            f"{path}: {cause.strerror or cause}", remedy="Name a file that can be written."
        ) from None


def default_workers() -> int:
    """How many deployments to try at once: one a processor, at least two."""
    return max(2, os.cpu_count() or 2)
