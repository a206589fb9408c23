"""report.json: the whole of it for other programs, findings and their evidence included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.catalogue import Control
from harness.records import Json
from harness.sealing import fingerprint
from reports.model import Profile, ReportModel, Result
from reports.text import json_bytes

SCHEMA = "panotti-compliance/report/1"


def write(model: ReportModel, out: Path) -> Path:
    """Write `report.json` into `out` and return its path, the findings one by one: there may be thousands."""
    path = out / "report.json"
    with path.open("wb") as file:
        for number, (name, value) in enumerate(_head(model).items()):
            file.write(b"{\n" if number == 0 else b",\n")
            file.write(json_bytes(name) + b": " + json_bytes(value, indent=True))
        file.write(b',\n"findings": [')
        for number, finding in enumerate(model.findings):
            file.write((b",\n" if number else b"\n") + json_bytes(finding))
        file.write(b"\n]\n}\n")
    return path


def _head(model: ReportModel) -> dict[str, Any]:
    controls = {control.id: control for control in model.controls}
    return {
        "schema": SCHEMA,
        "gate": model.gate,
        "run": _run(model),
        "profiles": [_profile(profile) for profile in model.profiles],
        "controls": [_result(result, controls[result.control]) for result in model.results],
        "proofs": [proof for proofs in model.proofs.values() for proof in proofs],
        "waivers": model.waivers,
        "timing": {profile.name: _timing(profile) for profile in model.profiles},
    }


def _run(model: ReportModel) -> dict[str, Any]:
    run = model.run
    return {
        "id": run.run_id,
        "kind": run.kind,
        "started": run.started,
        "complete": model.complete,
        "problems": model.problems,
        "signed_by": fingerprint(run.signer),
        "profiles": run.profiles,
        "runtime": run.runtime,
        "target": run.target,
        "controls": run.controls,
        "policy": run.policy,
        "environment": run.environment,
    }


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "verdicts": {verdict.value: count for verdict, count in profile.counts.items()},
        "unchecked": profile.unchecked,
        "unproven": profile.unproven,
        "required": profile.required,
        "opened": profile.opened,
        "findings": profile.findings,
        "policy": {"source": profile.policy_source, "sha256": profile.policy_sha256},
    }


def _result(result: Result, control: Control) -> dict[str, Any]:
    return {
        "id": result.control,
        "profile": result.profile,
        "verdict": result.verdict,
        "reason": result.reason,
        "required": result.required,
        "blocks": result.blocks,
        "severity": control.severity,
        "title": control.title,
        "references": control.references,
        "checks": result.checks,
        "proof": _proof(result),
        "waivers": [waiver.fingerprint for waiver in result.waivers],
    }


def _proof(result: Result) -> dict[str, Any]:
    proof = result.proof
    return {
        "proven": not result.unproven,
        "unproven": result.unproven,
        "defects": proof.total,
        "caught": proof.caught,
        "missed": proof.missed,
        "error": proof.error,
    }


def _timing(profile: Profile) -> dict[str, Json]:
    seconds = profile.seconds
    return {
        "deployment_s": round(seconds.deployment, 3),
        "demanded_s": round(seconds.demanded, 3),
        "target_s": round(seconds.target, 3),
        "own_s": round(seconds.own, 3),
        "deployments": profile.deployments,
        "deployments_s": round(profile.deployments_s, 3),
    }
