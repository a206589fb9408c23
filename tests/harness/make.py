"""Records as a run leaves them: a test gives only what it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from harness.catalogue import Catalogue, Control
from harness.declared import DeclaredCheck
from harness.journal import JournalView
from harness.profiles import PROFILES
from harness.records import Event, Finding, Observation, Proof, Run, Timing
from harness.verdict import Verdict
from harness.waiver import fingerprint

CONTROL = "middleware.cors.origins"
OTHER = "middleware.cors.methods"
CHECK = "suites/test_cors.py::test_origin"
KEY = "0123456789ab"
STARTED = "2026-11-24T01:53:05.120Z"
RUN_ID = "20261124T015305-abcdef"


def control(control_id: str = CONTROL, **given: Any) -> Control:
    text = "What it asks for, in one sentence."
    return Control(
        id=control_id,
        **{"title": text, "requirement": text, "severity": "high", "remedy": text, **given},
    )


def catalogue(*controls: Control) -> Catalogue:
    return Catalogue(controls or (control(), control(OTHER)))


def run(
    *,
    required: Iterable[str] = (CONTROL,),
    excused: dict[str, str] | None = None,
    **given: Any,
) -> Run:
    """A head; every profile of the run gets the same policy."""
    profiles = given.pop("profiles", ("production",))
    policy: Any = {
        name: {
            "sha256": "0" * 64,
            "source": "p.toml",
            "required": [*required],
            "not_applicable": excused or {},
        }
        for name in profiles
    }
    usual: dict[str, Any] = {
        "run_id": RUN_ID,
        "kind": "verify",
        "started": STARTED,
        "profiles": profiles,
        "runtime": "process",
        "target": "reference",
        "controls": (),
        "policy": policy,
        "environment": {},
    }
    return Run(**{**usual, **given})


def finding(verdict: Verdict = Verdict.PASS, message: str = "", **given: Any) -> Finding:
    """A finding of one check; `defect` given, it is one of the self-test."""
    if not message and verdict is not Verdict.PASS:
        message = f"it came to {verdict.value}"
    usual: dict[str, Any] = {
        "control": CONTROL,
        "check": f"{CHECK}[production]",
        "claim": "A claim.",
        "profile": "production",
        "runtime": "process",
        "target": "reference",
        "evidence": (Observation(subject="seen", data={"value": 1}),),
        "evidence_total": 1,
        "timing": Timing(wall_s=0.5),
        "started": STARTED,
    }
    fields = {**usual, **given}
    looks = fingerprint(
        control=fields["control"], check=fields["check"], profile=fields["profile"], message=message
    )
    return Finding(**{"verdict": verdict, "message": message, "fingerprint": looks, **fields})


def declared(**given: Any) -> DeclaredCheck:
    usual: dict[str, Any] = {"control": CONTROL, "check": CHECK, "defects": ((KEY, "any origin"),)}
    return DeclaredCheck(**{**usual, **given})


def proof(**given: Any) -> Proof:
    usual: dict[str, Any] = {
        "control": CONTROL,
        "check": CHECK,
        "defect": "any origin",
        "defect_key": KEY,
        "profile": "production",
        "runtime": "process",
        "outcome": "caught",
        "message": "an origin was granted",
        "clean": True,
        "at": STARTED,
    }
    return Proof(**{**usual, **given})


def view(
    *records: Finding | Event | Proof | DeclaredCheck, head: Run | None = None, problems: tuple[str, ...] = ()
) -> JournalView:
    """A journal as it was read."""
    head = head or run()

    def of(kind: type[Any], change: Callable[[Any], Any] = lambda record: record) -> tuple[Any, ...]:
        return tuple(change(record) for record in records if isinstance(record, kind))

    return JournalView(
        path=Path("build/journals") / head.run_id,
        run=head,
        findings=of(Finding),
        events=(*of(DeclaredCheck, lambda check: check.event(STARTED)), *of(Event)),
        proofs=(*head.proofs, *of(Proof)),
        complete=not problems,
        problems=problems,
    )


def waiver_record(about: Finding, **given: Any) -> dict[str, Any]:
    """A waiver of this finding, as the head of a journal carries it."""
    return {
        "control": about.control,
        "profile": about.profile,
        "fingerprint": about.fingerprint,
        "owner": "the owner",
        "reason": "accepted until the next release",
        "expires": "2027-01-31T00:00:00Z",
        **given,
    }


__all__ = ["CHECK", "CONTROL", "KEY", "OTHER", "PROFILES", "RUN_ID", "STARTED"]
