"""report.sarif: SARIF 2.1.0 for code scanning; one rule a control, one result a finding that wants work.

Fails and errors are results wherever they are; what is not verified is one only where the gate required it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from harness.catalogue import Control
from harness.records import Finding
from harness.verdict import Verdict, worst
from reports.model import ReportModel, Result
from reports.text import json_bytes, one_line, printable

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LIMIT = 25_000  # GitHub refuses a run with more results
_CWE = re.compile(r"\bCWE-(\d{1,5})\b")
_BAD = {Verdict.FAIL, Verdict.ERROR}
# GitHub: over 9.0 critical, from 7.0 high, from 4.0 medium, from 0.1 low; it wants a string.
_SECURITY_SEVERITY = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}


def write(model: ReportModel, out: Path) -> Path:
    """Write `report.sarif` into `out` and return its path."""
    path = out / "report.sarif"
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(model)]}
    path.write_bytes(json_bytes(log, indent=True) + b"\n")
    return path


def _run(model: ReportModel) -> dict[str, Any]:
    results = list(islice(_results(model), LIMIT + 1))
    return {
        "tool": {
            "driver": {
                "name": "panotti-compliance",
                "version": _version(model),
                "rules": [_rule(control) for control in model.controls],
            }
        },
        "automationDetails": {
            "id": f"panotti-compliance/{model.run.runtime}/{'+'.join(model.run.profiles)}/{model.run.run_id}"
        },
        "invocations": [
            {
                "executionSuccessful": model.complete and model.gate.status != 2,
                "startTimeUtc": model.run.started,
                "exitCode": model.gate.status,
                "exitCodeDescription": one_line(model.gate.summary, 300),
            }
        ],
        "results": results[:LIMIT],
        "properties": {"resultsLeftOut": len(results) > LIMIT},
    }


def _version(model: ReportModel) -> str:
    versions = model.run.environment.get("versions")
    found = versions.get("panotti-compliance") if isinstance(versions, dict) else None
    return str(found or model.run.environment.get("harness") or "0")


def _rule(control: Control) -> dict[str, Any]:
    help_text = f"{control.requirement}\n\nTo put it right: {control.remedy}"
    references = ", ".join(control.references)
    return {
        "id": control.id,
        "name": control.id.replace(".", "-"),
        "shortDescription": {"text": control.title},
        "fullDescription": {"text": control.requirement},
        "help": {"text": f"{help_text}\n\nReferences: {references}" if references else help_text},
        "properties": {
            "security-severity": _SECURITY_SEVERITY[control.severity],
            "tags": ["security", control.area, *control.references],
        },
    }


def _results(model: ReportModel) -> Iterator[dict[str, Any]]:
    rules = {control.id: number for number, control in enumerate(model.controls)}
    findings = model.findings_of()
    for result in model.results:
        telling = [f for f in findings.get((result.control, result.profile), []) if _wants_work(f, result)]
        for finding in telling:
            yield _finding(finding, result, rules[result.control])
        told = bool(telling) and worst(finding.verdict for finding in telling) == result.verdict
        if not told and (result.blocks or result.verdict in _BAD):
            yield _verdict(result, rules[result.control])


def _wants_work(finding: Finding, result: Result) -> bool:
    return finding.verdict in _BAD or (finding.verdict is Verdict.NOT_VERIFIED and result.required)


def _finding(finding: Finding, result: Result, rule: int) -> dict[str, Any]:
    text = f"{finding.profile}: {finding.verdict.value}: {finding.message or finding.claim}"
    path, _, line = finding.source.rpartition(":")
    fingerprint = finding.fingerprint or _hash(finding.control, finding.check, finding.profile)
    place = (path, int(line)) if path and line.isdecimal() else (finding.check.partition("::")[0], 1)
    return _entry(result, rule, text, fingerprint, place) | _suppressed(result, fingerprint)


def _verdict(result: Result, rule: int) -> dict[str, Any]:
    text = f"{result.profile}: {result.verdict.value}: {result.reason}"
    place = (f"harness/catalogue/{result.control.partition('.')[0]}.toml", 1)
    return _entry(result, rule, text, _hash(result.control, result.profile, result.verdict.value), place)


def _entry(result: Result, rule: int, text: str, fingerprint: str, place: tuple[str, int]) -> dict[str, Any]:
    return {
        "ruleId": result.control,
        "ruleIndex": rule,
        "level": "error" if result.required else "warning",
        "message": {"text": printable(text)[:4000]},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": place[0].replace("\\", "/")},
                    "region": {"startLine": max(1, place[1])},
                }
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
        "properties": {"profile": result.profile, "required": result.required, **_weaknesses(text)},
    }


def _weaknesses(text: str) -> dict[str, list[str]]:
    """The weaknesses that a scanner named, as code scanning tags them."""
    numbers = sorted({int(number) for number in _CWE.findall(text)})
    return {"tags": [f"external/cwe/cwe-{number:03}" for number in numbers]} if numbers else {}


def _suppressed(result: Result, fingerprint: str) -> dict[str, Any]:
    """A waiver annotates its result and never removes it."""
    for waiver in result.waivers:
        if waiver.fingerprint == fingerprint:
            why = one_line(f"{waiver.owner}, until {waiver.expires}: {waiver.reason}", 500)
            return {"suppressions": [{"kind": "external", "status": "accepted", "justification": why}]}
    return {}


def _hash(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()[:32]
