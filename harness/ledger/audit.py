"""The audit: proofs that hold are tried again, a random sample of them; one that disagrees voids the ledger.

What came of it is kept in build/selftest/audit.json, for the head of the next verification's journal. It is
begun there before anything is tried: an audit that did not come to its end is no audit. A disagreement stands
in the ledger itself, where nothing but a self-test takes it away.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from harness.journal import now
from harness.ledger.entries import Entry, Key, Void, name_of
from harness.ledger.store import NAME
from harness.ledger.tree import digest_of
from harness.proof import Tried
from harness.records import Json

STATE: Final = Path("selftest") / "audit.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A sample, and what came of it.

    undecided: those that showed nothing, for want of Docker or of a quiet machine.
    """

    seed: int
    sample: tuple[Key, ...]
    agreed: tuple[Key, ...] = ()
    undecided: tuple[Key, ...] = ()
    disagreement: Void | None = None


def draw(held: Mapping[Key, Entry], count: int, seed: int | None) -> Audit:
    """Choose `count` of the proofs that hold, all where there are fewer. The same seed chooses the same."""
    chosen = secrets.randbelow(10**6) if seed is None else seed
    keys = sorted(key for key, entry in held.items() if entry.good)
    return Audit(seed=chosen, sample=tuple(random.Random(chosen).sample(keys, min(count, len(keys)))))  # noqa: S311


def compare(audit: Audit, tried: Iterable[Tried]) -> Audit:
    """Return what came of an audit."""
    found = {(one.proof.check, one.proof.defect_key): one for one in tried}
    decided = {key: one for key in audit.sample if (one := found.get(key)) is not None and one.decided}
    others = [one for one in decided.values() if not (one.proof.outcome == "caught" and one.proof.clean)]
    return Audit(
        seed=audit.seed,
        sample=audit.sample,
        agreed=tuple(key for key, one in decided.items() if one not in others),
        undecided=tuple(key for key in audit.sample if key not in decided),
        disagreement=_disagreement(others[0], audit.seed) if others else None,
    )


def begin(build: Path, audit: Audit) -> None:
    """Write down that an audit has begun."""
    _write(build, {"finished": False, "seed": audit.seed, "sample": len(audit.sample), "at": now()})


def finish(build: Path, audit: Audit, root: Path) -> None:
    """Write down what came of an audit of the ledger below `root`."""
    state: dict[str, Json] = {
        "finished": True,
        "seed": audit.seed,
        "sample": len(audit.sample),
        "agreed": len(audit.agreed),
        "undecided": [name_of(key) for key in audit.undecided],
        "at": now(),
        "ledger": _ledger(root),
    }
    _write(build, state)


def last(build: Path, root: Path) -> dict[str, Json]:
    """Return what is known of the last audit; nothing where there was none of the ledger as it is now."""
    try:
        state: Any = orjson.loads((build / STATE).read_bytes())
        over = state["finished"] and state.pop("ledger") != _ledger(root)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return {}
    return {} if over else state


def _disagreement(one: Tried, seed: int) -> Void:
    proof = one.proof
    outcome = f"was {proof.outcome}" if proof.outcome != "caught" else "was caught, but its clean twin failed"
    return Void(
        proof=name_of((proof.check, proof.defect_key)),
        why=f"the defect {proof.defect} {outcome} when it was tried again",
        seed=seed,
        at=now(),
    )


def _ledger(root: Path) -> str:
    return digest_of((root / NAME).read_bytes())


def _write(build: Path, state: Mapping[str, Json]) -> None:
    path = build / STATE
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_bytes(orjson.dumps(state, option=orjson.OPT_INDENT_2))
    fresh.replace(path)
