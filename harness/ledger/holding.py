"""Which proofs of the ledger hold for the files as they are, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from harness.ledger.entries import Entry, Key
from harness.ledger.store import Ledger

if TYPE_CHECKING:
    from harness.ledger.binding import Bindings

_SHOWN: Final = 3  # causes named in one line


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """held: the proofs that hold. stale: why another one does not, by its key."""

    held: Mapping[Key, Entry] = field(default_factory=dict)
    stale: Mapping[Key, str] = field(default_factory=dict)


def weigh(ledger: Ledger, bindings: Bindings) -> Account:
    """Hold every proof against the files that it is bound to."""
    causes = {key: why_stale(entry, ledger, bindings) for key, entry in ledger.entries.items()}
    return Account(
        held={key: entry for key, entry in ledger.entries.items() if not causes[key]},
        stale={key: cause for key, cause in causes.items() if cause},
    )


def why_stale(entry: Entry, ledger: Ledger, bindings: Bindings) -> str:
    """Return what changed since a proof was made, "" while it holds."""
    check, runtime = entry.proof.check, entry.proof.runtime
    if ledger.void and entry.proof.at <= ledger.void.at:
        return f"the ledger disagrees with {ledger.void.proof}"
    now = bindings.of(check, runtime)
    if not now:
        return f"{check.partition('::')[0]} is gone"
    different = [part for part in now if entry.binding.get(part) != now[part]]
    different += [part for part in entry.binding if part not in now]
    if not different:
        return ""
    parts = bindings.parts(check, runtime)
    return _named(different, parts, ledger.files, bindings.tree.files)


def _named(
    different: Sequence[str],
    parts: Mapping[str, tuple[str, ...]],
    before: Mapping[str, str],
    now: Mapping[str, str],
) -> str:
    """Name the files that make the difference, of the widest part that has any."""
    groups = [parts.get(part, ()) for part in different]
    for paths in groups:
        if changed := [path for path in paths if path in before and before[path] != now.get(path)]:
            return _changed(changed)
    for paths in groups:
        if new := [path for path in paths if path not in before]:
            return _changed(new)
    if gone := [path for path in before if path not in now]:
        return _changed(gone)
    return f"its {different[0]} changed"


def _changed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more} changed"


def stale_lines(causes: Iterable[str]) -> Iterator[str]:
    """Yield one line a cause, the commonest first: "12 proofs are stale: suites/… changed"."""
    for cause, count in Counter(causes).most_common():
        yield f"{count} proof{'s are' if count > 1 else ' is'} stale: {cause}"


def stale_line(causes: Iterable[str]) -> str:
    """Return the causes in one line, the rarer ones only counted."""
    lines = [*stale_lines(causes)]
    more = [f"{len(lines) - _SHOWN} more causes"] if len(lines) > _SHOWN else []
    return "; ".join((*lines[:_SHOWN], *more))
