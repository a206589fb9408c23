"""Journal, catalogue, verdicts and decision put together into what every format shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import fsum

from harness.catalogue import Catalogue
from harness.gate import Decision
from harness.journal import JournalView
from harness.judge import ControlResult
from harness.records import Event, Finding, Proof
from harness.sealing import described
from harness.verdict import Verdict
from reports.acceptance import waivers_of
from reports.model import Gate, Profile, ProofCount, ReportModel, Result, Seconds, Waiver


def compose(
    view: JournalView, catalogue: Catalogue, judged: Sequence[ControlResult], decision: Decision
) -> ReportModel:
    """Return the model. `judged` comes in catalogue order; within a control, profiles in the run's order."""
    controls = tuple(catalogue.values())
    waivers = waivers_of(view)
    results = tuple(_result(result, waivers) for result in judged)
    rank = {control: number for number, control in enumerate(catalogue)}
    findings = [finding for finding in view.findings if not finding.defect]
    profiles = list(dict.fromkeys([*view.run.profiles, *(finding.profile for finding in findings)]))
    signed = described(view.run.signer) or "nobody: the journal is unsigned"
    return ReportModel(
        gate=_gate(decision, results),
        run=view.run,
        complete=view.complete,
        problems=view.problems,
        profiles=tuple(_profiles(view, profiles, results, findings)),
        controls=controls,
        results=results,
        findings=tuple(findings),
        proofs=_proofs(view.proofs, rank),
        waivers=waivers,
        environment=(("signed by", signed), *_flat("", view.run.environment)),
    )


def _result(judged: ControlResult, waivers: Iterable[Waiver]) -> Result:
    outcomes = Counter(proof.outcome for proof in judged.proof)
    reason = judged.reason or judged.inherited
    if judged.verdict is Verdict.PASS and judged.unproven:
        more = f" (and {len(judged.unproven) - 1} more)" if len(judged.unproven) > 1 else ""
        reason = f"passed, but is not proven: {judged.unproven[0]}{more}"
    return Result(
        control=judged.control,
        profile=judged.profile,
        verdict=judged.verdict,
        reason=reason,
        required=judged.required,
        blocks=not judged.opens,
        unchecked=judged.unchecked,
        checks=tuple(finding.check for finding in judged.checks),
        proof=ProofCount(caught=outcomes["caught"], missed=outcomes["missed"], error=outcomes["error"]),
        unproven=judged.unproven,
        waivers=tuple(
            waiver
            for waiver in waivers
            if waiver.state == "in force"
            and (waiver.control, waiver.profile) == (judged.control, judged.profile)
        ),
    )


def _gate(decision: Decision, results: Sequence[Result]) -> Gate:
    required = [result for result in results if result.required]
    blocking = [result for result in required if result.blocks]
    failed = sum(result.verdict is Verdict.FAIL for result in blocking)
    held = len(required) - len(blocking)
    parts = [f"{held} hold{'s' if held == 1 else ''}"]
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{len(blocking) - failed} could not be decided"] if len(blocking) > failed else []
    profiles = len({result.profile for result in required})
    asked = f"{len(required)} verdicts are required over {profiles} profile{'s' if profiles != 1 else ''}"
    return Gate(
        status=decision.status,
        decision=decision.word,
        summary=f"{asked}: {', '.join(parts)}." if required else "No control is required.",
        why=decision.why,
    )


def in_order(view: JournalView, catalogue: Catalogue) -> JournalView:
    """Return the journal with its findings by control, profile, check: parallel writers interleave them."""
    rank = {control: number for number, control in enumerate(catalogue)}
    profiles = {profile: number for number, profile in enumerate(view.run.profiles)}

    def place(finding: Finding) -> tuple[int, int, str, str]:
        control, profile = rank.get(finding.control, len(rank)), profiles.get(finding.profile, len(profiles))
        return control, profile, finding.check, finding.started

    return replace(view, findings=tuple(sorted(view.findings, key=place)))


def _profiles(
    view: JournalView, names: Sequence[str], results: Sequence[Result], findings: Sequence[Finding]
) -> Iterator[Profile]:
    ready: dict[str, list[Event]] = {name: [] for name in names}
    for event in view.events:
        if event.name == "deployment.ready" and event.profile in ready:
            ready[event.profile].append(event)
    for name in names:
        own = [result for result in results if result.profile == name]
        found = [finding for finding in findings if finding.profile == name]
        policy = view.run.policy.get(name)
        source = policy if isinstance(policy, dict) else {}
        yield Profile(
            name=name,
            counts=Counter(result.verdict for result in own),
            unchecked=sum(r.unchecked and r.verdict is Verdict.NOT_VERIFIED for r in own),
            unproven=sum(r.verdict is Verdict.PASS and not r.earned for r in own),
            required=sum(result.required for result in own),
            opened=sum(result.required and not result.blocks for result in own),
            findings=len(found),
            seconds=_seconds(found),
            deployments=len(ready[name]),
            deployments_s=fsum(event.seconds for event in ready[name]),
            policy_source=str(source.get("source", "")),
            policy_sha256=str(source.get("sha256", "")),
        )


def _seconds(findings: Iterable[Finding]) -> Seconds:
    times = [finding.timing for finding in findings]
    known = fsum(t.deployment_s + t.demanded_s + t.target_s for t in times)
    return Seconds(
        deployment=fsum(t.deployment_s for t in times),
        demanded=fsum(t.demanded_s for t in times),
        target=fsum(t.target_s for t in times),
        own=max(0.0, fsum(t.wall_s for t in times) - known),
    )


def _proofs(proofs: Iterable[Proof], rank: Mapping[str, int]) -> dict[str, tuple[Proof, ...]]:
    ordered = sorted(
        dict.fromkeys(proofs),
        key=lambda p: (rank.get(p.control, len(rank)), p.control, p.check, p.defect, p.profile, p.at),
    )
    grouped: dict[str, list[Proof]] = {}
    for proof in ordered:
        grouped.setdefault(proof.control, []).append(proof)
    return {control: tuple(group) for control, group in grouped.items()}


def _flat(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    """Nested values as dotted names in order, for a table of two columns."""
    match value:
        case Mapping():
            for name, item in value.items():
                yield from _flat(f"{prefix}.{name}" if prefix else str(name), item)
        case list() | tuple():
            yield prefix, ", ".join(str(item) for item in value)
        case None:
            yield prefix, "unknown"
        case bool():
            yield prefix, "yes" if value else "no"
        case _:
            yield prefix, str(value)
