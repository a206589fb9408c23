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
from harness.spared import spared_in
from harness.verdict import Verdict, worst
from harness.waiver import WAIVABLE, Waiver, revive_waivers

NO_CHECK = "no check yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlResult:
    """One control in one profile.

    reason: why, for anything but pass.
    proof: every counterexample tried. unproven: what it lacks to be proven; empty when it is.
    untried: the defects, by check and key, that have no proof, or only one that holds no more.
    unchecked: nothing looked at it: there is no check yet, or none for this profile.
    inherited: why findings of another profile count here, "" where none do.
    """

    control: str
    profile: str
    verdict: Verdict
    reason: str
    checks: tuple[Finding, ...]
    proof: tuple[Proof, ...]
    unproven: tuple[str, ...]
    required: bool
    untried: tuple[tuple[str, str], ...] = ()
    unchecked: bool = False
    inherited: str = ""
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
        known = declared_in(view.events)
        missed = tuple(_not_collected(view.run, known))
        self.missed = {check.check for check in missed}
        for check in (*known, *missed):
            self.declared[check.control].append(check)
        self.spared = spared_in(view.events)
        self.stale = {(stale.check, stale.defect_key): stale.why for stale in view.run.stale}
        self.proofs: dict[str, list[Proof]] = defaultdict(list)
        for proof in dict.fromkeys(view.proofs):
            self.proofs[proof.control].append(proof)

    def judge(self, control: Control, profile: str) -> ControlResult:
        checks = [check for check in self.declared[control.id] if check.applies_in(profile)]
        findings = (*self.findings[control.id, profile], *self._inherited(control.id, profile, checks))
        verdict, reason, waiver = self._decide(control, profile, checks, findings)
        return ControlResult(
            control=control.id,
            profile=profile,
            verdict=verdict,
            reason=reason,
            checks=findings,
            proof=tuple(self.proofs[control.id]),
            unproven=tuple(unproven(checks, self.proofs[control.id], self.stale)),
            required=profile in control.profiles and is_required(self.run, control.id, profile),
            untried=tuple(untried(checks, self.proofs[control.id])),
            unchecked=not checks and not findings,
            inherited=self._why_inherited(profile, checks),
            waiver=waiver,
        )

    def _inherited(self, control: str, profile: str, checks: Sequence[DeclaredCheck]) -> Iterator[Finding]:
        """Yield the findings of another profile that count in this one."""
        for check in checks:
            origin = self.spared.inherited.get((check.check, profile))
            if origin and self._holds(origin.premise, profile):
                there = self.findings[control, origin.source]
                yield from (finding for finding in there if base_of(finding.check) == check.check)

    def _why_inherited(self, profile: str, checks: Sequence[DeclaredCheck]) -> str:
        origins = {self.spared.inherited.get((check.check, profile)) for check in checks}
        return "; ".join(
            f"inherited from {origin.source}, because {origin.premise} shows in this run that both are alike"
            for origin in origins
            if origin and self._holds(origin.premise, profile)
        )

    def _holds(self, premise: str, profile: str) -> bool:
        """Whether every check of a control ran in the profile, and passed."""
        checks = [check for check in self.declared[premise] if check.applies_in(profile)]
        findings = self.findings[premise, profile]
        passed = all(finding.verdict is Verdict.PASS for finding in findings)
        return bool(checks) and passed and not any(self._not_run(profile, checks, findings))

    def _decide(
        self, control: Control, profile: str, checks: Sequence[DeclaredCheck], findings: Sequence[Finding]
    ) -> tuple[Verdict, str, Waiver | None]:
        if profile not in control.profiles:
            return Verdict.NOT_APPLICABLE, f"it applies in {', '.join(control.profiles)} only", None
        if excuse := _excused(self.run, control.id, profile):
            return Verdict.NOT_APPLICABLE, excuse, None
        if not findings:
            return Verdict.NOT_VERIFIED, self._why_nothing(control.id, profile, checks), None
        weighed = [(finding, *weigh(finding, self.waivers, self.at)) for finding in findings]
        missing = list(self._not_run(profile, checks, findings))
        verdict = worst([*(v for _, v, _ in weighed), *(Verdict.NOT_VERIFIED for _ in missing)])
        waiver = next((w for _, v, w in weighed if w and v is verdict), None)
        telling = [self._tell(f) for f, v, _ in weighed if v is verdict]
        if verdict is Verdict.NOT_VERIFIED:
            telling += missing
        return verdict, "" if verdict is Verdict.PASS else _first_of(telling), waiver

    def _why_nothing(self, control: str, profile: str, checks: Sequence[DeclaredCheck]) -> str:
        asked = any(fnmatchcase(control, glob) for glob in self.run.controls) or not self.run.controls
        if not asked:
            return f"not asked for in this run (only {', '.join(self.run.controls)})"
        if checks:
            return next(self._not_run(profile, checks, ()), "its checks did not run")
        return f"{NO_CHECK} in this profile" if self.declared[control] else NO_CHECK

    def _not_run(
        self, profile: str, checks: Iterable[DeclaredCheck], findings: Sequence[Finding]
    ) -> Iterator[str]:
        """Yield what is missing of the checks, and why."""
        ran: dict[str, set[str]] = defaultdict(set)
        for finding in findings:
            ran[base_of(finding.check)].add(finding.check)
        for check in checks:
            left = check.cases - len(ran[check.check])
            if left > 0:
                yield self._why_not_run(profile, check, left)

    def _why_not_run(self, profile: str, check: DeclaredCheck, left: int) -> str:
        at = check.check, profile
        if check.check in self.missed:
            return f"{check.check} was not collected: it was left out, or is gone"
        if cost := self.spared.left_out.get(at):
            return f"{check.check} was left out ({cost}): --depth full decides it"
        if origin := self.spared.inherited.get(at):
            held = self._holds(origin.premise, profile)
            why = f"it did not run in {origin.source}" if held else f"{origin.premise} does not pass"
            return f"{check.check} was not inherited from {origin.source}: {why}"
        return f"{check.check} did not run" + (
            f" in {left} of {check.cases} cases" if check.cases > 1 else ""
        )

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


def untried(checks: Iterable[DeclaredCheck], proofs: Iterable[Proof]) -> Iterator[tuple[str, str]]:
    """Yield the declared defects that have no proof."""
    tried = {(proof.check, proof.defect_key) for proof in proofs}
    for check in checks:
        for key, _ in check.defects:
            if (check.check, key) not in tried:
                yield check.check, key


def unproven(
    checks: Sequence[DeclaredCheck], proofs: Iterable[Proof], stale: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    """Yield what is missing until the checks are proven: caught, and the clean twin passed.

    stale: why a proof holds no more, by check and defect.
    """
    tried = {(proof.check, proof.defect_key): proof for proof in proofs}
    if not checks:
        yield NO_CHECK
    for check in checks:
        for key, title in check.defects:
            proof = tried.get((check.check, key))
            if proof is None and (check.check, key) in stale:
                yield f'the proof of "{title}" is stale: {stale[check.check, key]}'
            elif proof is None:
                yield f'the defect "{title}" was not tried'
            elif proof.outcome != "caught":
                yield f'the defect "{title}" was {"missed" if proof.outcome == "missed" else "an error"}'
            elif not proof.clean:
                yield f'the clean twin of "{title}" did not pass'


def _not_collected(run: Run, declared: Iterable[DeclaredCheck]) -> Iterator[DeclaredCheck]:
    """Yield the checks that the ledger knows and nobody declared: left out of the collection, or gone."""
    names = {check.check for check in declared}
    for control, checks in run.checks.items():
        yield from (DeclaredCheck(control=control, check=check) for check in checks if check not in names)


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
