"""The proofs of the self-test: made from its findings, kept for later runs, dropped once they are stale."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from harness.declared import DeclaredCheck, base_of, declared_in
from harness.journal import JournalView, now
from harness.records import Finding, Proof
from harness.revive import Unreadable, revive_proof
from harness.verdict import Verdict

COVERED = ("suites", "harness", "panotti", "deploy")
CACHE = Path("selftest") / "proofs.json"
Outcome = Literal["caught", "missed", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What is kept of earlier self-tests. note: why there are none, "" when they hold."""

    proofs: tuple[Proof, ...] = ()
    note: str = ""


def proofs_of(view: JournalView) -> tuple[Proof, ...]:
    """Return a proof for every declared defect that a self-test tried.

    A defect is caught when a case of its check failed and none was an error; one that takes the check's sight
    away, when a case came to `not-verified` instead. The clean twin must pass in all.
    """
    tried: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in view.findings:
        tried[base_of(finding.check), finding.defect_key].append(finding)
    return tuple(_proofs(declared_in(view.events), tried))


def _proofs(
    checks: Iterable[DeclaredCheck], tried: Mapping[tuple[str, str], Sequence[Finding]]
) -> Iterator[Proof]:
    for check in checks:
        clean = tried.get((check.check, ""), ())
        for key, title in check.defects:
            planted = tried.get((check.check, key), ())
            if planted:
                yield _proof(check, (key, title), planted, clean)


def _proof(
    check: DeclaredCheck, defect: tuple[str, str], planted: Sequence[Finding], clean: Sequence[Finding]
) -> Proof:
    outcome, message = _outcome(planted, blinding=defect[0] in check.blinding)
    passed = bool(clean) and all(finding.verdict is Verdict.PASS for finding in clean)
    spoilt = next((f"{f.verdict.value}: {f.message}" for f in clean if f.verdict is not Verdict.PASS), "")
    return Proof(
        control=check.control,
        check=check.check,
        defect=defect[1],
        defect_key=defect[0],
        profile=planted[0].profile,
        runtime=planted[0].runtime,
        outcome=outcome,
        message=message if passed else f"{message}; its clean twin: {spoilt or 'did not run'}",
        clean=passed,
        at=planted[0].started,
    )


def _outcome(planted: Sequence[Finding], *, blinding: bool) -> tuple[Outcome, str]:
    """`not-verified` with a defect planted is an error of the self-test: it has shown nothing.

    Unless the defect is one that leaves nothing to be shown.
    """
    demanded = Verdict.NOT_VERIFIED if blinding else Verdict.FAIL
    decided = {Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE, demanded}
    for finding in planted:
        if finding.verdict not in decided:
            return "error", f"{finding.verdict.value}: {finding.message}"
    for finding in planted:
        if finding.verdict is demanded:
            return "caught", finding.message
    return "missed", f"the check came to {planted[0].verdict.value}"


def content_hash(root: Path) -> str:
    """Return the SHA-256 over everything that a proof depends on: suites, harness, panotti and deploy."""
    digest = hashlib.sha256()
    for folder in COVERED:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(root)}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def keep(root: Path, build: Path, proofs: Sequence[Proof]) -> Path:
    """Write the proofs for later runs, beside those of other checks that still hold; return the path."""
    tried = {(proof.check, proof.defect_key) for proof in proofs}
    held = [p for p in load(root, build).proofs if (p.check, p.defect_key) not in tried]
    path = build / CACHE
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"sha256": content_hash(root), "at": now(), "proofs": [*held, *proofs]}
    whole = path.with_suffix(".tmp")
    whole.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    whole.replace(path)
    return path


def load(root: Path, build: Path) -> Proofs:
    """Return the proofs kept below `build` if they hold for the files as they are now; else none, and why."""
    path = build / CACHE
    if not path.is_file():
        return Proofs(note="no self-test was run yet: run `harness selftest`")
    try:
        kept = orjson.loads(path.read_bytes())
        proofs = tuple(revive_proof(proof) for proof in kept["proofs"])
        stated = kept["sha256"]
    except (orjson.JSONDecodeError, KeyError, TypeError, Unreadable):
        return Proofs(note=f"{path} cannot be read: run `harness selftest` again")
    if stated != content_hash(root):
        changed = ", ".join(COVERED)
        return Proofs(
            note=f"the proofs are stale ({changed} changed since then): run `harness selftest` again"
        )
    return Proofs(proofs=proofs)
