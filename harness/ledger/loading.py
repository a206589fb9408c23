"""What a run is told of the ledger: the proofs that hold, and what is to be said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.ledger import store
from harness.ledger.entries import Key
from harness.ledger.holding import Account, stale_line, weigh
from harness.ledger.store import Ledger
from harness.records import Proof, Stale

AGAIN = "run `harness selftest --if-stale`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """note: why some or all do not hold, and what to do; "" while all do.

    disagreement: what an audit found that voids the ledger, "" where none did.
    checks: every check that was ever proven, by its control, whether its proofs hold or not.
    """

    proofs: tuple[Proof, ...] = ()
    stale: tuple[Stale, ...] = ()
    note: str = ""
    disagreement: str = ""
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def load(root: Path) -> Proofs:
    """Return the proofs below a root. Raises `UserError` where a module there cannot be parsed."""
    ledger = store.read(root)
    if not ledger.there:
        return Proofs(note="no proofs: run `make selftest`")
    if ledger.problems:
        return Proofs(note=f"no proof counts: {problem_of(ledger)}; {AGAIN}")
    account = account_of(ledger, root)
    return Proofs(
        proofs=tuple(entry.proof for entry in account.held.values()),
        stale=tuple(Stale(check=c, defect_key=k, why=why) for (c, k), why in account.stale.items()),
        note=f"{stale_line(account.stale.values())}; {AGAIN}" if account.stale else "",
        disagreement=ledger.void.text if ledger.void else "",
        checks=_checks(ledger),
    )


def _checks(ledger: Ledger) -> dict[str, tuple[str, ...]]:
    known: dict[str, dict[str, None]] = {}
    for entry in ledger.entries.values():
        known.setdefault(entry.proof.control, {})[entry.proof.check] = None
    return {control: tuple(checks) for control, checks in known.items()}


def account_of(ledger: Ledger, root: Path) -> Account:
    """Return which proofs of a ledger hold for the files below a root."""
    from harness.ledger.binding import Bindings  # grimp: 0.15 s, which a run without a ledger need not spend

    return weigh(ledger, Bindings(root))


def problem_of(ledger: Ledger) -> str:
    """Return what is wrong with a ledger's lines, in one line."""
    more = f" (and {len(ledger.problems) - 1} more)" if len(ledger.problems) > 1 else ""
    return f"{ledger.problems[0]}{more}"


def durations(root: Path) -> Mapping[Key, float]:
    """Return the seconds that each trial took when it was last tried, by check and defect.

    The clean twin has the defect "". Stale proofs count too: this only orders what is tried.
    """
    entries = store.read(root).entries.values()
    planted = {entry.key: entry.seconds for entry in entries}
    return {**planted, **{(entry.proof.check, ""): entry.clean_seconds for entry in entries}}
