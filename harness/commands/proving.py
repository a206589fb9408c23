"""`harness selftest`: which defects are due, and what is kept of them in the ledger."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from harness import places
from harness.catalogue import load
from harness.commands import verify
from harness.commands.verify import SelfTestRun
from harness.declared import declared_in
from harness.errors import UserError
from harness.gate import CLOSED, OPEN
from harness.ledger import audit, store
from harness.ledger.audit import Audit
from harness.ledger.binding import Bindings
from harness.ledger.entries import Entry, Key
from harness.ledger.holding import stale_lines, weigh
from harness.ledger.stamping import Stamped, stamp
from harness.options import Options, validate, write_due
from harness.plugin.registry import listed
from harness.runtimes.interpreter import locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be tried: everything, or only what holds no more; and how many of those that hold beside it.

    seed: chooses the audit's sample; a new one when not given.
    """

    if_stale: bool = False
    audit: int = 0
    seed: int | None = None

    @property
    def everything(self) -> bool:
        return not self.if_stale and not self.audit


def prove(
    options: Options, suites: Path, console: Console, asked: Asked, *, workers: int, json: Path | None
) -> int:
    """Plant what is due, and keep the proofs; return 0 when all was caught and every clean twin passed.

    Raises `UserError`.
    """
    validate(options, load())
    if suites.resolve() != places.SUITES:
        if not asked.everything:
            raise UserError(
                "the ledger has the proofs of the project's own checks alone",
                remedy="Leave --suites out, or --if-stale and --audit.",
            )
        return verify.selftest(options, suites, console, workers=workers, json=json).ran.status
    before = Bindings(places.PROJECT)
    with _chosen(options, asked, before, console) as plan:
        if plan is None:
            return OPEN
        done = verify.selftest(replace(options, due=plan.due), suites, console, workers=workers, json=json)
    return _keep(done, plan.audit, before, console)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """due: the file that names what is tried, None for everything."""

    due: Path | None = None
    audit: Audit | None = None


@contextmanager
def _chosen(options: Options, asked: Asked, bindings: Bindings, console: Console) -> Iterator[_Plan | None]:
    """Say what is to be tried; None where that is nothing."""
    if asked.everything:
        yield _Plan()
        return
    ledger = store.read(places.PROJECT)
    wanted = _wanted(options)
    account = weigh(ledger, bindings)
    held = {key: entry for key, entry in account.held.items() if key in wanted}
    due = [key for key in wanted if key not in held or not held[key].good]
    chosen = audit.draw(held, asked.audit, asked.seed) if asked.audit else None
    for line in (*ledger.problems, *_told(held, due, account.stale), *_told_of(chosen)):
        console.print(escape(line), soft_wrap=True)
    tried = [*due, *(chosen.sample if chosen else ())]
    if not tried:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="due-") as folder:
        file = Path(folder) / "defects"
        write_due(file, tried)
        if chosen is not None:
            audit.begin(places.BUILD, chosen)
        yield _Plan(due=file, audit=chosen)


def _wanted(options: Options) -> tuple[Key, ...]:
    """Return the declared defects of the controls and profiles that were asked for."""
    chosen = {control.id for control in load().match(options.controls or ("*",))}
    return tuple(
        (check.check, defect.key)
        for check in listed(places.SUITES)
        if check.declaration.control in chosen
        if not options.profiles or check.declaration.proof_profile in options.profiles
        for defect in check.declaration.broken_by
    )


def _told(held: Mapping[Key, Entry], due: Iterable[Key], stale: Mapping[Key, str]) -> Iterator[str]:
    """Yield how many proofs hold, and why the others are tried again."""
    due = tuple(due)
    good = sum(entry.good for entry in held.values())
    yield f"{_proofs(good)} hold{'s' if good == 1 else ''}: nothing has changed that the check depends on."
    yield from (f"{line}." for line in stale_lines(stale[key] for key in due if key in stale))
    for flaw, count in Counter(_flaw(held[key]) for key in due if key in held).items():
        yield f"{_proofs(count)} tried again: {flaw}."
    if new := sum(key not in stale and key not in held for key in due):
        yield f"{new} defect{'s have' if new > 1 else ' has'} no proof yet."


def _flaw(entry: Entry) -> str:
    return "the defect was missed" if entry.proof.outcome == "missed" else "the clean twin did not pass"


def _told_of(chosen: Audit | None) -> Iterator[str]:
    if chosen is not None:
        yield f"Audit: {_proofs(len(chosen.sample))} of those that hold tried again (--seed {chosen.seed})."


def _proofs(count: int) -> str:
    return f"{count} proof{'' if count == 1 else 's'}"


def _keep(done: SelfTestRun, chosen: Audit | None, before: Bindings, console: Console) -> int:
    """Put what was shown into the ledger, say so, and return the exit status."""
    if not done.ran.view.complete or done.ran.interrupted or not done.tried:
        console.print("The ledger is as it was: the self-test did not come to its end.")
        return done.ran.status
    compared = audit.compare(chosen, done.tried) if chosen else None
    settled = compared.agreed if compared else ()
    declared = {(check.check, key) for check in declared_in(done.ran.view.events) for key, _ in check.defects}
    after = Bindings(places.PROJECT)
    with locked("ledger"):
        ledger = store.read(places.PROJECT)
        stamped = stamp(
            ledger,
            (one for one in done.tried if (one.proof.check, one.proof.defect_key) not in settled),
            before=before,
            after=after,
            declared=declared,
            void=compared.disagreement if compared else None,
        )
        if stamped.ledger != ledger:
            store.write(places.PROJECT, stamped.ledger)
    if compared:
        audit.finish(places.BUILD, compared, places.PROJECT)
    for line in (*_written(stamped), *_compared(compared)):
        console.print(escape(line), soft_wrap=True)
    return CLOSED if compared and compared.disagreement else done.ran.status


def _written(stamped: Stamped) -> Iterator[str]:
    if stamped.written:
        yield f"{_proofs(len(stamped.written))} written to {store.NAME}."
    if stamped.moving:
        yield (
            f"{_proofs(len(stamped.moving))} not kept: what they depend on changed while the self-test ran; "
            "run `harness selftest --if-stale`."
        )


def _compared(compared: Audit | None) -> Iterator[str]:
    if compared is None:
        return
    yield f"Audit: {len(compared.agreed)} of {len(compared.sample)} agree (seed {compared.seed})."
    if compared.undecided:
        yield f"Audit: {len(compared.undecided)} could not be decided here."
    if compared.disagreement:
        yield f"The ledger is void: {compared.disagreement.text}."
