"""The judge: from a journal and the catalogue to one verdict for each control in each profile. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from harness.catalogue import Catalogue, Control
from harness.declared import DeclaredCheck, base_of, declared_in
from harness.journal import JournalView
from harness.records import Finding, Proof, Run
from harness.verdict import Verdict, worst
from harness.waiver import WAIVABLE, Waiver, revive_waivers

NO_CHECK = "no check yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlResult:
    """One control in one profile.

    reason: why, for anything but pass.
    proof: every counterexample tried. unproven: what it lacks to be proven; empty when it is.
    unchecked: nothing looked at it: there is no check yet, or none for this profile.
    """

    control: str
    profile: str
    verdict: Verdict
    reason: str
    checks: tuple[Finding, ...]
    proof: tuple[Proof, ...]
    unproven: tuple[str, ...]
    required: bool
    unchecked: bool = False
    waiver: Waiver | None = None

    @property
    def proven(self) -> bool:
        """Whether each of its checks caught each of its defects, and passed on the clean twin."""
        return not self.unproven

    @property
    def opens(self) -> bool:
        """Whether the gate may open as far as this control goes."""
        earned = self.verdict is Verdict.WAIVED or (self.verdict is Verdict.PASS and self.proven)
        return earned or not self.required


def judge(
    view: JournalView, catalogue: Catalogue, *, at: datetime | None = None
) -> tuple[ControlResult, ...]:
    """Return a result for every control of the catalogue in every profile of the run.

    at: the moment at which waivers are held against their expiry; the start of the run when not given.
    """
    court = _Court(view, at or datetime.fromisoformat(view.run.started))
    return tuple(
        court.judge(control, profile) for control in catalogue.values() for profile in view.run.profiles
    )


def weigh(finding: Finding, waivers: Iterable[Waiver], at: datetime) -> tuple[Verdict, Waiver | None]:
    """Return what a finding counts as, and the waiver that made it so."""
    for waiver in waivers:
        if waiver.accepts(finding) and waiver.active(at):
            return Verdict.WAIVED, waiver
    return finding.verdict, None


def is_required(run: Run, control: str, profile: str) -> bool:
    """Whether the profile's policy lets the gate depend on this control."""
    return control in _list(_policy(run, profile).get("required")) and not _excused(run, control, profile)


class _Court:
    """One journal, sorted for judging."""

    def __init__(self, view: JournalView, at: datetime) -> None:
        self.run = view.run
        self.at = at.astimezone(UTC)
        self.waivers = revive_waivers(view.run.waivers)
        self.findings: dict[tuple[str, str], list[Finding]] = defaultdict(list)
        for finding in view.findings:
            if not finding.defect:
                self.findings[finding.control, finding.profile].append(finding)
        self.declared: dict[str, list[DeclaredCheck]] = defaultdict(list)
        for check in declared_in(view.events):
            self.declared[check.control].append(check)
        self.proofs: dict[str, list[Proof]] = defaultdict(list)
        for proof in dict.fromkeys(view.proofs):
            self.proofs[proof.control].append(proof)

    def judge(self, control: Control, profile: str) -> ControlResult:
        findings = tuple(self.findings[control.id, profile])
        checks = [check for check in self.declared[control.id] if check.applies_in(profile)]
        verdict, reason, waiver = self._decide(control, profile, checks, findings)
        return ControlResult(
            control=control.id,
            profile=profile,
            verdict=verdict,
            reason=reason,
            checks=findings,
            proof=tuple(self.proofs[control.id]),
            unproven=tuple(unproven(checks, self.proofs[control.id])),
            required=profile in control.profiles and is_required(self.run, control.id, profile),
            unchecked=not checks and not findings,
            waiver=waiver,
        )

    def _decide(
        self, control: Control, profile: str, checks: Sequence[DeclaredCheck], findings: Sequence[Finding]
    ) -> tuple[Verdict, str, Waiver | None]:
        if profile not in control.profiles:
            return Verdict.NOT_APPLICABLE, f"it applies in {', '.join(control.profiles)} only", None
        if excuse := _excused(self.run, control.id, profile):
            return Verdict.NOT_APPLICABLE, excuse, None
        if not findings:
            return Verdict.NOT_VERIFIED, self._why_nothing(control.id, checks), None
        weighed = [(finding, *weigh(finding, self.waivers, self.at)) for finding in findings]
        missing = list(_not_run(checks, findings))
        verdict = worst([*(v for _, v, _ in weighed), *(Verdict.NOT_VERIFIED for _ in missing)])
        waiver = next((w for _, v, w in weighed if w and v is verdict), None)
        telling = [self._tell(f) for f, v, _ in weighed if v is verdict]
        if verdict is Verdict.NOT_VERIFIED:
            telling += missing
        return verdict, "" if verdict is Verdict.PASS else _first_of(telling), waiver

    def _why_nothing(self, control: str, checks: Sequence[DeclaredCheck]) -> str:
        asked = any(fnmatchcase(control, glob) for glob in self.run.controls) or not self.run.controls
        if not asked:
            return f"not asked for in this run (only {', '.join(self.run.controls)})"
        if checks:
            return "its checks did not run"
        return f"{NO_CHECK} in this profile" if self.declared[control] else NO_CHECK

    def _tell(self, finding: Finding) -> str:
        """The finding's message, and what became of a waiver that was meant for it."""
        for waiver in self.waivers:
            if waiver.accepts(finding):
                date = f"{waiver.expires:%Y-%m-%d}"
                if waiver.active(self.at):
                    return f"{finding.message} (waived by {waiver.owner} until {date}: {waiver.reason})"
                return f"{finding.message} (the waiver of {waiver.owner} expired on {date})"
        about = self.findings[finding.control, finding.profile]
        if finding.verdict in WAIVABLE and any(
            (w.control, w.profile) == (finding.control, finding.profile)
            and not any(w.accepts(other) for other in about)
            for w in self.waivers
        ):
            return f"{finding.message} (a waiver stands for another finding of this control)"
        return finding.message


def unproven(checks: Sequence[DeclaredCheck], proofs: Iterable[Proof]) -> Iterator[str]:
    """Yield what is missing until the checks are proven: caught, and the clean twin passed."""
    tried = {(proof.check, proof.defect_key): proof for proof in proofs}
    if not checks:
        yield NO_CHECK
    for check in checks:
        for key, title in check.defects:
            proof = tried.get((check.check, key))
            if proof is None:
                yield f'the defect "{title}" was not tried'
            elif proof.outcome != "caught":
                yield f'the defect "{title}" was {"missed" if proof.outcome == "missed" else "an error"}'
            elif not proof.clean:
                yield f'the clean twin of "{title}" did not pass'


def _not_run(checks: Iterable[DeclaredCheck], findings: Sequence[Finding]) -> Iterator[str]:
    ran: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        ran[base_of(finding.check)].add(finding.check)
    for check in checks:
        left = check.cases - len(ran[check.check])
        if left > 0:
            yield f"{check.check} did not run" + (
                f" in {left} of {check.cases} cases" if check.cases > 1 else ""
            )


def _first_of(messages: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(messages))
    more = f" (and {len(distinct) - 1} more)" if len(distinct) > 1 else ""
    return f"{distinct[0]}{more}"


def _excused(run: Run, control: str, profile: str) -> str:
    excuses = _policy(run, profile).get("not_applicable")
    return str(excuses[control]) if isinstance(excuses, Mapping) and control in excuses else ""


def _policy(run: Run, profile: str) -> Mapping[str, object]:
    policy = run.policy.get(profile)
    return policy if isinstance(policy, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
