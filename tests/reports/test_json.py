"""report.json says everything, in one fixed shape."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import BaseModel, ConfigDict, Field

from harness.catalogue import load
from harness.profiles import PROFILES
from tests.reports import sample

Verdict = Literal["pass", "fail", "error", "not-verified", "not-applicable", "waived"]
Severity = Literal["critical", "high", "medium", "low"]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class GateShape(Shape):
    status: Annotated[int, Field(ge=0, le=2)]
    decision: Literal["open", "closed", "could not decide"]
    summary: str
    why: list[str]


class RunShape(Shape):
    id: str
    kind: Literal["verify", "selftest"]
    started: str
    complete: bool
    problems: list[str]
    signed_by: str
    profiles: list[str]
    runtime: str
    target: str
    controls: list[str]
    policy: dict[str, Any]
    environment: dict[str, Any]


class ProofShape(Shape):
    proven: bool
    unproven: list[str]
    defects: int
    caught: int
    missed: int
    error: int


class ControlShape(Shape):
    id: str
    profile: str
    verdict: Verdict
    reason: str
    required: bool
    blocks: bool
    severity: Severity
    title: str
    references: list[str]
    checks: list[str]
    proof: ProofShape
    waivers: list[str]


class TimingShape(Shape):
    deployment_s: float
    demanded_s: float
    target_s: float
    own_s: float
    deployments: int
    deployments_s: float


class PolicyShape(Shape):
    source: str
    sha256: str


class ProfileShape(Shape):
    name: str
    verdicts: dict[Verdict, int]
    unchecked: int
    unproven: int
    required: int
    opened: int
    findings: int
    policy: PolicyShape


class ReportShape(Shape):
    format: Annotated[Literal["panotti-compliance/report/1"], Field(alias="schema")]
    gate: GateShape
    run: RunShape
    profiles: list[ProfileShape]
    controls: list[ControlShape]
    proofs: list[dict[str, Any]]
    waivers: list[dict[str, Any]]
    timing: dict[str, TimingShape]
    findings: list[dict[str, Any]]


@pytest.fixture(scope="module")
def parsed(report: Path) -> ReportShape:
    return ReportShape.model_validate_json((report / "report.json").read_bytes())


def test_every_control_stands_once_for_each_profile(parsed: ReportShape) -> None:
    named = [(control.id, control.profile) for control in parsed.controls]

    assert named == [(control, profile) for control in load() for profile in PROFILES]


def test_a_pass_has_checks_behind_it_and_says_whether_they_are_proven(parsed: ReportShape) -> None:
    passed = [control for control in parsed.controls if control.verdict == "pass"]
    lacking = [control for control in passed if not control.proof.proven]

    assert all(control.checks for control in passed)
    assert {control.id for control in lacking} == {sample.UNPROVEN}
    assert all("is not proven" in control.reason and control.proof.unproven for control in lacking)


def test_what_is_not_a_pass_says_why(parsed: ReportShape) -> None:
    assert all(control.reason for control in parsed.controls if control.verdict != "pass")


def test_verdict_counts_of_a_profile_add_up(parsed: ReportShape) -> None:
    assert all(sum(profile.verdicts.values()) == len(load()) for profile in parsed.profiles)


def test_findings_carry_their_evidence(parsed: ReportShape) -> None:
    kinds = {evidence["kind"] for finding in parsed.findings for evidence in finding["evidence"]}

    assert kinds == {"exchange", "measurement", "observation", "chart", "table", "diagram"}


def test_timing_adds_up_to_the_walls_of_the_findings(parsed: ReportShape, report: Path) -> None:
    raw = orjson.loads((report / "report.json").read_bytes())
    wall = sum(f["timing"]["wall_s"] for f in raw["findings"] if f["profile"] == "production")
    timing = parsed.timing["production"]

    assert timing.deployment_s + timing.demanded_s + timing.target_s + timing.own_s == pytest.approx(
        wall, abs=0.01
    )
