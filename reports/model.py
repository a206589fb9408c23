"""What every format shows, computed once from a journal: pure data, no clock, no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.catalogue import Control
from harness.records import Finding, Proof, Run
from harness.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The decision in a word and in a sentence: status 0 open, 1 closed, 2 could not decide."""

    status: int
    decision: str
    summary: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCount:
    """How a control's counterexamples fared."""

    caught: int = 0
    missed: int = 0
    error: int = 0

    @property
    def total(self) -> int:
        return self.caught + self.missed + self.error


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """An acceptance of one finding. days_left counts from the start of the run, and is negative once expired.

    state: in force; expired; or it matches no finding, since what failed has changed or gone.
    """

    control: str
    profile: str
    fingerprint: str
    owner: str
    reason: str
    expires: str
    days_left: int
    state: Literal["in force", "expired", "matches nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One control in one profile.

    blocks: it keeps the gate from opening. unchecked: nothing looked at it.
    unproven: what its checks lack to be proven; a pass that lacks anything opens no gate.
    waivers: those in force for findings of this control and profile.
    """

    control: str
    profile: str
    verdict: Verdict
    reason: str
    required: bool
    blocks: bool
    unchecked: bool
    checks: tuple[str, ...]
    proof: ProofCount
    unproven: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    @property
    def earned(self) -> bool:
        """Whether it is a pass whose checks have been seen to fail."""
        return self.verdict is Verdict.PASS and not self.unproven

    def waives(self, finding: Finding) -> bool:
        """Whether a waiver in force is about this very finding."""
        return any(waiver.fingerprint == finding.fingerprint for waiver in self.waivers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Where the checks' seconds went; own is what the harness itself took."""

    deployment: float = 0.0
    demanded: float = 0.0
    target: float = 0.0
    own: float = 0.0

    @property
    def total(self) -> float:
        return self.deployment + self.demanded + self.target + self.own


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile beside the others: verdict counts, the gate's share, its policy, where the time went."""

    name: str
    counts: Mapping[Verdict, int]
    unchecked: int
    unproven: int  # of the passes
    required: int
    opened: int  # required controls that do not keep the gate shut
    findings: int
    seconds: Seconds
    deployments: int
    deployments_s: float
    policy_source: str
    policy_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportModel:
    """Everything a format may show. results: in catalogue order, then the run's order of profiles."""

    gate: Gate
    run: Run
    complete: bool
    problems: tuple[str, ...]
    profiles: tuple[Profile, ...]
    controls: tuple[Control, ...]
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]  # of clean deployments, by control, profile and check
    proofs: Mapping[str, tuple[Proof, ...]]  # by control
    waivers: tuple[Waiver, ...]
    environment: tuple[tuple[str, str], ...]  # flat and in order, for a table

    def grid(self) -> Mapping[str, Mapping[str, Result]]:
        """Return results by control, then profile."""
        rows: dict[str, dict[str, Result]] = {}
        for result in self.results:
            rows.setdefault(result.control, {})[result.profile] = result
        return rows

    def findings_of(self) -> Mapping[tuple[str, str], list[Finding]]:
        """Return findings by (control, profile)."""
        cells: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            cells.setdefault((finding.control, finding.profile), []).append(finding)
        return cells
