"""What a self-test showed goes into the ledger, bound to the files as they were before it and still are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.ledger.entries import Entry, Key, Void
from harness.ledger.holding import weigh
from harness.ledger.store import Ledger
from harness.proof import Tried

if TYPE_CHECKING:
    from harness.ledger.binding import Bindings


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """written: the proofs that were taken over. moving: those whose files changed while the self-test ran."""

    ledger: Ledger
    written: tuple[Key, ...]
    moving: tuple[Key, ...]


def stamp(
    ledger: Ledger,
    tried: Iterable[Tried],
    *,
    before: Bindings,
    after: Bindings,
    declared: Collection[Key],
    void: Void | None = None,
) -> Stamped:
    """Return the ledger with the proofs of a self-test in it.

    What was not decided leaves an earlier entry as it is: without Docker a proof of elsewhere still holds.
    before, after: the bindings when the self-test began, and when it had ended.
    declared: every defect that is declared; entries of others are dropped.
    void: a disagreement that was found in this run; it stays until every older proof was made anew.
    """
    entries = {key: entry for key, entry in ledger.entries.items() if key in declared}
    written: list[Key] = []
    moving: list[Key] = []
    for one in tried:
        entry = _entry(one, before)
        if not one.decided or not entry.binding:
            continue
        if entry.binding != after.of(entry.proof.check, entry.proof.runtime):
            moving.append(entry.key)
            continue
        entries[entry.key] = entry
        written.append(entry.key)
    last = void or ledger.void
    doubted = last is not None and any(entry.proof.at <= last.at for entry in entries.values())
    kept = Ledger(entries=entries, files=ledger.files, void=last if doubted else None)
    whole = replace(kept, files=_files(kept, after))
    return Stamped(ledger=whole, written=tuple(written), moving=tuple(moving))


def _entry(tried: Tried, bindings: Bindings) -> Entry:
    return Entry(
        proof=tried.proof,
        seconds=tried.seconds,
        clean_seconds=tried.clean_seconds,
        binding=bindings.of(tried.proof.check, tried.proof.runtime),
    )


def _files(ledger: Ledger, bindings: Bindings) -> Mapping[str, str]:
    """Return the digests of all files that entries are bound to.

    Where one is stale, the digest of before stays: it tells what made it so.
    """
    account = weigh(ledger, bindings)

    def paths(keys: Iterable[Key]) -> set[str]:
        proofs = [ledger.entries[key].proof for key in keys]
        parts = [bindings.parts(proof.check, proof.runtime) for proof in proofs]
        return {path for part in parts for files in part.values() for path in files}

    now = bindings.tree.files
    found = {path: now[path] for path in paths(ledger.entries) if path in now}
    before = {path: ledger.files[path] for path in paths(account.stale) if path in ledger.files}
    return {**found, **before}
