"""junit.xml: one suite for each control in each profile, one case for each check.

Properties stand on the suite, where the xunit2 schema allows them. What decides for the gate must show in CI:
a required control that is not verified is an `<error>`. `<skipped>`: waived, or no gate asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from harness.catalogue import Control
from harness.records import Finding
from harness.verdict import Verdict, worst
from reports.model import ReportModel, Result
from reports.text import one_line, printable

Outcome = Literal["", "failure", "error", "skipped"]
_OUTCOMES: dict[Verdict, Outcome] = {
    Verdict.PASS: "",
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.WAIVED: "skipped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    name: str
    seconds: float
    outcome: Outcome
    kind: str = ""
    message: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suite:
    name: str
    timestamp: str
    properties: tuple[tuple[str, str], ...]
    cases: tuple[_Case, ...]

    def count(self, outcome: Outcome) -> int:
        return sum(case.outcome == outcome for case in self.cases)

    @property
    def seconds(self) -> float:
        return sum(case.seconds for case in self.cases)


def write(model: ReportModel, out: Path) -> Path:
    """Write `junit.xml` into `out` and return its path."""
    path = out / "junit.xml"
    suites = tuple(_suites(model))
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n')
        file.write(f"<testsuites {_totals(model.run.run_id, suites)}>\n")
        file.writelines(chain.from_iterable(_suite_xml(suite) for suite in suites))
        file.write("</testsuites>\n")
    return path


def _suites(model: ReportModel) -> Iterator[_Suite]:
    controls = {control.id: control for control in model.controls}
    findings = model.findings_of()
    yield _gate(model)
    for result in model.results:
        own = findings.get((result.control, result.profile), [])
        yield _control(model, result, controls[result.control], own)


def _gate(model: ReportModel) -> _Suite:
    outcomes: dict[int, Outcome] = {0: "", 1: "failure", 2: "error"}
    case = _Case(
        name="decision",
        seconds=0.0,
        outcome=outcomes[model.gate.status],
        kind="gate",
        message=model.gate.summary,
        body="\n".join(model.gate.why),
    )
    properties = (("complete", str(model.complete).lower()), ("target", model.run.target))
    return _Suite(name="gate", timestamp=_zoneless(model.run.started), properties=properties, cases=(case,))


def _control(model: ReportModel, result: Result, control: Control, findings: Sequence[Finding]) -> _Suite:
    properties = (
        ("control", control.id),
        ("profile", result.profile),
        ("verdict", result.verdict.value),
        ("reason", result.reason),
        ("required", str(result.required).lower()),
        ("severity", control.severity),
        ("references", ", ".join(control.references)),
        ("proven", str(not result.unproven).lower()),
        ("proof", f"{result.proof.caught} of {result.proof.total} defects caught"),
    )
    cases = [_case(finding, result) for finding in findings]
    told = bool(findings) and worst(finding.verdict for finding in findings) == result.verdict
    if not told or (result.verdict is Verdict.PASS and result.blocks):
        cases.append(_verdict_case(result))
    started = findings[0].started if findings else model.run.started
    return _Suite(
        name=f"{result.profile}.{control.id}",
        timestamp=_zoneless(started),
        properties=properties,
        cases=tuple(cases),
    )


def _case(finding: Finding, result: Result) -> _Case:
    return _Case(
        name=finding.check.rpartition("/")[2],
        seconds=finding.timing.wall_s,
        outcome="skipped" if result.waives(finding) else _outcome(finding.verdict, result),
        kind=finding.verdict.value,
        message=finding.message,
        body=_body(finding),
    )


def _verdict_case(result: Result) -> _Case:
    """The control's own verdict, where its checks alone do not say it: no check, no proof, a waiver."""
    outcome = _outcome(result.verdict, result)
    if result.blocks and outcome != "failure":
        outcome = "error"
    return _Case(
        name="verdict",
        seconds=0.0,
        outcome=outcome,
        kind=result.verdict.value,
        message=result.reason,
    )


def _outcome(verdict: Verdict, result: Result) -> Outcome:
    if verdict is Verdict.NOT_VERIFIED:
        return "error" if result.blocks else "skipped"
    return _OUTCOMES[verdict]


def _body(finding: Finding) -> str:
    lines = (finding.claim, finding.message, f"at: {finding.source}", f"again: {finding.again}")
    return "\n".join(line for line in lines if line)


def _suite_xml(suite: _Suite) -> Iterator[str]:
    yield f"<testsuite {_totals(suite.name, (suite,))} timestamp={_attribute(suite.timestamp)}>\n"
    yield "<properties>\n"
    for name, value in suite.properties:
        yield f"<property name={_attribute(name)} value={_attribute(value)}/>\n"
    yield "</properties>\n"
    for case in suite.cases:
        yield from _case_xml(suite.name, case)
    yield "</testsuite>\n"


def _case_xml(suite: str, case: _Case) -> Iterator[str]:
    head = f'<testcase classname={_attribute(suite)} name={_attribute(case.name)} time="{case.seconds:.3f}"'
    if not case.outcome:
        yield f"{head}/>\n"
        return
    attributes = f"type={_attribute(case.kind)} message={_attribute(one_line(case.message, 500))}"
    body = escape(printable(case.body))
    yield f"{head}><{case.outcome} {attributes}>{body}</{case.outcome}></testcase>\n"


def _totals(name: str, suites: Sequence[_Suite]) -> str:
    tests = sum(len(suite.cases) for suite in suites)
    failures, errors, skipped = (sum(suite.count(outcome) for suite in suites) for outcome in _COUNTED)
    seconds = sum(suite.seconds for suite in suites)
    return (
        f'name={_attribute(name)} tests="{tests}" failures="{failures}" errors="{errors}" '
        f'skipped="{skipped}" time="{seconds:.3f}"'
    )


_COUNTED: tuple[Outcome, ...] = ("failure", "error", "skipped")


def _attribute(text: str) -> str:
    return quoteattr(printable(text))


def _zoneless(timestamp: str) -> str:
    """The xunit schema wants ISO 8601 to the second, without a zone."""
    return timestamp[:19]
