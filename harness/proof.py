"""What a self-test has proven: one proof for every defect that was tried, made from the findings. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Literal

from harness.declared import DeclaredCheck, base_of, declared_in
from harness.journal import JournalView
from harness.records import Finding, Proof
from harness.verdict import Verdict

Outcome = Literal["caught", "missed", "error"]
_UNDECIDED = {Verdict.ERROR, Verdict.NOT_VERIFIED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One defect as it was tried.

    seconds, clean_seconds: wall time of the trials with the defect, and of its clean twin's.
    decided: every case was tried, with the defect and without, and each came to a verdict. What was not
    decided, for want of Docker or of a quiet machine, shows nothing about the check.
    """

    proof: Proof
    seconds: float
    clean_seconds: float
    decided: bool


def proofs_of(view: JournalView) -> tuple[Proof, ...]:
    """Return a proof for every declared defect that a self-test tried.

    A defect is caught when a case of its check failed and none was an error; one that takes the check's sight
    away, when a case came to `not-verified` instead. The clean twin must pass in all.
    """
    return tuple(tried.proof for tried in tried_in(view))


def tried_in(view: JournalView) -> tuple[Tried, ...]:
    """Return every declared defect that a self-test tried."""
    tried: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in view.findings:
        tried[base_of(finding.check), finding.defect_key].append(finding)
    return tuple(_tried(declared_in(view.events), tried))


def _tried(
    checks: Iterable[DeclaredCheck], tried: Mapping[tuple[str, str], Sequence[Finding]]
) -> Iterator[Tried]:
    for check in checks:
        clean = tried.get((check.check, ""), ())
        for key, title in check.defects:
            planted = tried.get((check.check, key), ())
            if planted:
                proof = _proof(check, (key, title), planted, clean)
                yield Tried(
                    proof=proof,
                    seconds=fsum(finding.timing.wall_s for finding in planted),
                    clean_seconds=fsum(finding.timing.wall_s for finding in clean),
                    decided=proof.outcome != "error"
                    and min(len(planted), len(clean)) >= check.cases
                    and not any(finding.verdict in _UNDECIDED for finding in clean),
                )


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
