"""The gate: from the results to one decision. 0 open, 1 closed, 2 could not decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from harness.journal import JournalView
from harness.judge import ControlResult, is_required, weigh
from harness.ledger.holding import stale_lines
from harness.ledger.loading import AGAIN
from harness.records import INTERRUPTED, UNSOUND, Finding, Json
from harness.sealing import fingerprint
from harness.verdict import Verdict
from harness.waiver import revive_waivers

Status = Literal[0, 1, 2]
OPEN: Status = 0
CLOSED: Status = 1
UNDECIDED: Status = 2
_WORDS = {OPEN: "open", CLOSED: "closed", UNDECIDED: "could not decide"}
_SENTENCES = {
    OPEN: "The gate is open.",
    CLOSED: "The gate is closed.",
    UNDECIDED: "The gate could not decide.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The exit status, and why it is not 0: what closed it first."""

    status: Status
    why: tuple[str, ...]

    @property
    def word(self) -> str:
        """The status in words."""
        return _WORDS[self.status]

    @property
    def sentence(self) -> str:
        """The status as a sentence."""
        return _SENTENCES[self.status]


def decide(view: JournalView, results: Sequence[ControlResult], *, key: str = "") -> Decision:
    """Decide on every control that a policy requires. Only a proven `pass` or a valid waiver opens.

    key: fingerprint of the key that must have signed the journal, "" for any.
    """
    required = [result for result in results if result.required]
    failed = [*_of_the_ledger(view)]
    failed += [_name(result) for result in required if result.verdict is Verdict.FAIL]
    doubts = [*_of_the_journal(view), *_of_the_key(view, key), *_of_what_ran(view, required)]
    doubts += _of_the_audit(view)
    unsure = [r for r in required if not r.opens and r.verdict is not Verdict.FAIL]
    lacking = [r for r in unsure if r.verdict is Verdict.PASS and len(r.untried) == len(r.unproven)]
    doubts += [*_of_the_proofs(view, lacking), *(_name(r) for r in unsure if r not in lacking)]
    return _decision(failed, doubts)


def decide_executed(view: JournalView, *, at: datetime | None = None) -> Decision:
    """Decide on the checks that ran, required ones only: what the exit status of a single pytest run means.

    When none of them is required, each one counts: an optional check run alone still says how it went.
    """
    moment = (at or datetime.fromisoformat(view.run.started)).astimezone(UTC)
    waivers = revive_waivers(view.run.waivers)
    ran = [finding for finding in view.findings if not finding.defect]
    required = [f for f in ran if is_required(view.run, f.control, f.profile)] or ran
    weighed = [(finding, weigh(finding, waivers, moment)[0]) for finding in required]
    failed = [_say(f, v) for f, v in weighed if v is Verdict.FAIL]
    doubts = list(_of_the_journal(view))
    if not any(verdict is Verdict.PASS or verdict is Verdict.WAIVED for _, verdict in weighed):
        doubts.append("nothing was shown: no check came to pass")
    settled = {Verdict.PASS, Verdict.WAIVED, Verdict.FAIL, Verdict.NOT_APPLICABLE}
    doubts += [_say(f, v) for f, v in weighed if v not in settled]
    return _decision(failed, doubts)


def _decision(failed: Iterable[str], doubts: Iterable[str]) -> Decision:
    closed, open_questions = tuple(failed), tuple(doubts)
    status: Status = CLOSED if closed else UNDECIDED if open_questions else OPEN
    return Decision(status=status, why=(*closed, *open_questions))


def _of_the_journal(view: JournalView) -> Iterator[str]:
    if not view.complete:
        yield "the journal is incomplete or edited: " + "; ".join(view.problems)
    for event in view.events:
        if event.name == INTERRUPTED:
            yield "the run was interrupted"
        elif event.name == UNSOUND:
            yield f"the run did not end as it should: {event.detail.get('what', '')}"
    if view.run.kind != "verify":
        yield f"this is the journal of a {view.run.kind}, which decides nothing about a release"


def _of_the_key(view: JournalView, key: str) -> Iterator[str]:
    signed = fingerprint(view.run.signer)
    if key and key != signed:
        yield f"the journal is not signed by {key}, but by {signed or 'nobody'}"


def _of_what_ran(view: JournalView, required: Sequence[ControlResult]) -> Iterator[str]:
    if not any(not finding.defect for finding in view.findings):
        yield "nothing ran: the journal holds no finding"
    if not required:
        yield "no control is required: such a gate would open for anything"


def _of_the_ledger(view: JournalView) -> Iterator[str]:
    """Yield what voids all proofs: one that was tried again came out differently."""
    if disagreement := _audit(view).get("disagrees"):
        yield f"{disagreement}; {AGAIN}: it tries every older proof again"


def _of_the_audit(view: JournalView) -> Iterator[str]:
    audit = _audit(view)
    if audit.get("finished") is False:
        yield "the last audit of the ledger did not come to its end: run `harness selftest --audit 20`"
    elif audit.get("sample") and not audit.get("agreed") and not audit.get("disagrees"):
        yield "the last audit of the ledger decided nothing: run `harness selftest --audit 20`"


def _of_the_proofs(view: JournalView, lacking: Iterable[ControlResult]) -> Iterator[str]:
    """Yield what passed controls lack to be proven, each cause once and not once a control."""
    untried = {key for result in lacking for key in result.untried}
    if not untried:
        return
    if not view.proofs and not view.run.stale:
        yield str(view.run.environment.get("proofs") or "no proofs: run `make selftest`")
        return
    causes = {(stale.check, stale.defect_key): stale.why for stale in view.run.stale}
    for line in stale_lines(causes[key] for key in untried & causes.keys()):
        yield f"{line}; {AGAIN}"
    if missing := len(untried - causes.keys()):
        yield f"{missing} defect{'s were' if missing > 1 else ' was'} never tried; {AGAIN}"


def _audit(view: JournalView) -> Mapping[str, Json]:
    audit = view.run.environment.get("audit")
    return audit if isinstance(audit, Mapping) else {}


def _name(result: ControlResult) -> str:
    where = f"{result.control} in {result.profile}"
    if result.verdict is Verdict.PASS:
        return f"{where}: passed, but is not proven: {result.unproven[0]}; {AGAIN}"
    return f"{where}: {result.verdict.value}: {result.reason}"


def _say(finding: Finding, verdict: Verdict) -> str:
    return f"{finding.control} in {finding.profile}: {verdict.value}: {finding.message}"
