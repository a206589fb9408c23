"""A made-up run with everything a report must show: profiles, verdicts, waivers, proofs, hostile text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from harness.catalogue import Control, load
from harness.declared import DeclaredCheck, base_of
from harness.journal import JournalView, RecordType
from harness.profiles import PROFILES
from harness.records import (
    Chart,
    Diagram,
    Event,
    Evidence,
    Exchange,
    Exhibit,
    Finding,
    Hop,
    Line,
    Mark,
    Measurement,
    Node,
    Observation,
    Proof,
    Run,
    Table,
    Timing,
)
from harness.verdict import Verdict
from harness.waiver import Waiver, fingerprint
from reports import build
from reports.model import ReportModel

STARTED = "2026-11-24T01:53:05.120Z"
CHECKED = (
    "deployment.server.*",
    "deployment.environments.*",
    "deployment.containers.image",
    "middleware.*",
    "monitoring.health.service",
    "monitoring.health.dependencies",
    "process.build.configuration",
    "practice.configuration.secrets",
)
HOSTILE = (
    "</script><img src=x onerror=alert(1)> \x1b[31mred\x00 \u202egnp.exe\ud800 "
    "]]> | @all `x` <!-- & \U0001f600"
)
NO_CHECK = "no check yet"
REQUIRED_IN = ("staging", "production")
DEFECTS = ("reflected origin", "unescaped dot in a pattern", "suffix match")
CLAIMS = {
    "middleware.cors.origins": (
        "A page on a foreign origin cannot read a user's recordings.",
        "An answer that fails still names only listed origins, and varies by origin.",
        "The null origin of a sandboxed frame gets no grant.",
        "A real browser refuses an unlisted origin's page the answer.",
        "Suffixes, prefixes, other schemes and ports of a listed origin get no grant.",
    ),
    "middleware.auth.api-keys": (
        "A missing, wrong, empty or truncated key is refused with one and the same body.",
        "A key in the query string opens nothing.",
        "The time of a refusal says nothing about the key.",
        "A revoked key stops at once, on every worker.",
    ),
    "middleware.security.rate-limit": (
        "Exactly the quota is let through in any window, racing clients included.",
        "Another spelling of the path does not shed the limit.",
        "The window frees as promised by Retry-After.",
    ),
    "middleware.security.tls": (
        "Only TLS 1.2 and 1.3 are spoken, with the suites of the Mozilla profile.",
        "Plain HTTP serves nothing but a redirect.",
        "A new certificate is taken without a dropped connection.",
    ),
    "deployment.server.limits": (
        "A chunked body over the limit is refused before it is read whole.",
        "A client that sends its headers too slowly is cut off.",
    ),
}
GENERIC = (
    "What the policy promises holds on a fresh deployment.",
    "The promise holds on error answers too.",
    "The promise survives a worker's end.",
    "Nothing beyond the policy is granted.",
    "The answer leaks nothing about its making.",
)
# control, profile (or "*") -> verdict and message of its first finding
PASSED = (Verdict.PASS, "")
STORY: dict[tuple[str, str], tuple[Verdict, str]] = {
    ("middleware.cors.origins", "production"): (
        Verdict.FAIL,
        "POST /api/recording-started with Origin https://evil.example answered 500 with "
        "Access-Control-Allow-Origin: https://evil.example\n"
        "assert 'access-control-allow-origin' not in reply.headers",
    ),
    ("middleware.cors.origins", "staging"): (
        Verdict.FAIL,
        "POST /api/recording-started with Origin https://evil.example answered 500 with "
        "Access-Control-Allow-Origin: https://evil.example\n"
        "assert 'access-control-allow-origin' not in reply.headers",
    ),
    ("middleware.auth.api-keys", "production"): (
        Verdict.NOT_VERIFIED,
        "the noise is too great: 400 samples have a power of 0.61 for 50 µs, 0.95 is needed",
    ),
    ("middleware.security.tls", "staging"): (
        Verdict.ERROR,
        "ProbeFailed: the scan of 127.0.0.1:49153 ended after 3 of 14 commands (connection reset)",
    ),
    ("deployment.server.limits", "staging"): (
        Verdict.FAIL,
        "a chunked body of 2 MiB was read whole (2,097,152 bytes) before it was refused; the limit is 65,536",
    ),
    ("middleware.security.validation", "testing"): (Verdict.FAIL, f"the answer echoes the body: {HOSTILE}"),
}
EXCUSED = {
    "development": {
        "middleware.security.tls": "the policy of development does not ask for TLS",
        "deployment.environments.staging": "a claim on staging",
        "deployment.environments.production": "a claim on production",
    },
    "testing": {"deployment.environments.staging": "a claim on staging"},
}
WAIVED = ("deployment.server.limits", "staging")
UNPROVEN = "middleware.logging.performance"
EXHIBITED = ("deployment.server.limits", 1)


def model(checks: int = 0) -> ReportModel:
    """Return a report's model. checks: findings for each control and profile; 0: one for each claim."""
    return build(view(checks))


def view(checks: int = 0) -> JournalView:
    """Return the run as a journal is read. checks: as above."""
    controls = load().match(CHECKED)
    findings = tuple(
        finding
        for control in controls
        for profile in PROFILES
        if control.id not in EXCUSED.get(profile, {})
        for finding in _findings(control, profile, checks)
    )
    return JournalView(
        path=Path("build/journals/sample"),
        run=_run([control.id for control in controls], findings),
        findings=findings,
        events=(*_started(), *(event for control in controls for event in _declared(control, checks))),
        proofs=tuple(proof for control in controls for proof in _proofs(control, checks)),
        complete=True,
        problems=(),
    )


def _started() -> Iterator[Event]:
    for number, profile in enumerate(PROFILES):
        yield Event(name="deployment.ready", profile=profile, seconds=2.4 + number, at=STARTED)


def _declared(control: Control, checks: int) -> Iterator[Event]:
    for number in range(checks or len(_claims(control))):
        defects = ((f"{number:012x}", DEFECTS[number]),) if number < len(DEFECTS) else ()
        yield DeclaredCheck(control=control.id, check=_check(control, number), defects=defects).event(STARTED)


def _claims(control: Control) -> tuple[str, ...]:
    return CLAIMS.get(control.id, GENERIC)


def _file(control: Control) -> str:
    return f"suites/{control.area}/test_{control.id.rpartition('.')[2].replace('-', '_')}.py"


def _check(control: Control, number: int) -> str:
    return f"{_file(control)}::test_claim_{number}"


def records(view: JournalView) -> Iterator[RecordType]:
    """Yield everything that a writer puts into the journal."""
    yield from map(journalled, view.findings)
    yield from view.events
    yield from view.proofs


def journalled(finding: Finding) -> Finding:
    """Return the finding as a journal holds it: UTF-8 carries no lone surrogate."""

    def carried(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode()

    evidence = tuple(
        replace(item, response_body=carried(item.response_body)) if isinstance(item, Exchange) else item
        for item in finding.evidence
    )
    return replace(finding, message=carried(finding.message), evidence=evidence)


def _run(controls: list[str], findings: tuple[Finding, ...]) -> Run:
    return Run(
        run_id="20261124-015305-7f3a",
        kind="verify",
        started=STARTED,
        profiles=PROFILES,
        runtime="containers",
        target="reference",
        controls=("*",),
        policy={
            profile: {
                "sha256": f"{number}3c1f0be4a7d95{number}" * 4 + "0a1b2c3d",
                "source": f"harness/policy/{profile}.toml",
                "required": list(controls) if profile in REQUIRED_IN else [],
                "not_applicable": dict(EXCUSED.get(profile, {})),
            }
            for number, profile in enumerate(PROFILES)
        },
        environment={
            "revision": "f77e59f4c0b1a2",
            "versions": {
                "panotti-compliance": "0.1.0",
                "python": "3.11.9",
                "docker": "27.3.1",
                "chromium": "131.0",
            },
            "image": {"application": "sha256:9b1f6c2e5d4a8370", "base": "debian:bookworm-slim"},
            "host": {"kernel": "Linux 6.8.0", "cores": 2, "memory_mb": 24105},
        },
        waivers=(waiver_for(findings).record(),),
    )


def waiver_for(findings: tuple[Finding, ...]) -> Waiver:
    """Return the acceptance of the one failure of `WAIVED`."""
    failed = next(f for f in findings if (f.control, f.profile) == WAIVED and f.verdict is Verdict.FAIL)
    return Waiver(
        control=failed.control,
        profile="staging",
        fingerprint=failed.fingerprint,
        owner="platform@panotti.example",
        reason="The staging balancer buffers bodies; it is replaced in the January release.",
        expires=datetime(2026, 12, 5, tzinfo=UTC),
    )


def _findings(control: Control, profile: str, checks: int) -> Iterator[Finding]:
    claims = _claims(control)
    random = Random(f"{control.id} {profile}")
    for number in range(checks or len(claims)):
        verdict, message = STORY.get((control.id, profile), PASSED) if number == 0 else PASSED
        check = f"{_check(control, number)}[{profile}]"
        demanded = 6.0 if "rate-limit" in control.id and number == 2 else 0.0
        target = random.uniform(0.02, 0.9)
        deployment = random.uniform(0.8, 2.5) if number == 1 and "environments" in control.id else 0.0
        yield Finding(
            control=control.id,
            check=check,
            claim=claims[number % len(claims)],
            profile=profile,
            runtime="containers",
            target="reference",
            verdict=verdict,
            message=message,
            evidence=(
                *_evidence(random, control, hostile=bool(message) and "echoes" in message),
                *(_exhibits(random) if (control.id, number) == EXHIBITED else ()),
            ),
            evidence_total=7 if number == 0 else 5,
            timing=Timing(
                wall_s=deployment + demanded + target + random.uniform(0.002, 0.05),
                deployment_s=deployment,
                demanded_s=demanded,
                target_s=target,
            ),
            started=f"2026-11-24T01:53:{10 + number % 50:02d}.000Z",
            source=f"{_file(control)}:{14 + 11 * number}",
            again=f"harness verify --profile {profile} --controls {control.id} -- -k test_claim_{number}",
            fingerprint=fingerprint(
                control=control.id, check=base_of(check), profile=profile, message=message
            ),
        )


def _exhibits(random: Random) -> Iterator[Exhibit]:
    """One of each kind, with text that a target might have had a say in."""
    yield Diagram(
        page="topology",
        title="Hops from a client to the data",
        nodes=(
            Node(name="client", label="a browser"),
            Node(name="haproxy", label="TLS, limits", zone="edge"),
            Node(name="app-1", label="2 workers", zone="application"),
            Node(name="app-2", label="2 workers", zone="application"),
            Node(name="postgres", label="primary", zone="data"),
            Node(name="redis", label="counters", zone="data"),
        ),
        hops=(
            Hop(source="client", target="haproxy", label="HTTPS", controls=("middleware.security.tls",)),
            Hop(source="haproxy", target="app-1", label="HTTPS"),
            Hop(source="haproxy", target="app-2", label="HTTPS"),
            Hop(source="app-1", target="postgres", controls=("middleware.cors.origins",)),
            Hop(source="app-2", target="postgres"),
            Hop(source="app-1", target="redis"),
            Hop(source="app-2", target="redis"),
        ),
    )
    yield Chart(
        page="performance",
        title="Latency by percentile",
        x="percentile",
        y="latency (ms)",
        lines=tuple(
            Line(
                name=name,
                points=tuple((p, base * (1 + (p / 70) ** 6)) for p in (0, 50, 75, 90, 95, 99, 99.9, 100)),
            )
            for name, base in (("write", 4.0), ("read", 2.0))
        ),
    )
    yield Chart(
        page="rollout",
        title="Answers during a release",
        x="time (s)",
        y="answers a second",
        lines=(Line(name="blue", points=tuple((t, 200 + random.uniform(-9, 9)) for t in range(40))),),
        marks=(Mark(at=12.3, label="switched to green"), Mark(at=29.0, label=f"returned {HOSTILE}")),
    )
    yield Table(
        page="fuzz",
        title="Operations",
        columns=("operation", "cases", "2xx", "failures", "note"),
        rows=(("POST /api/recording-started", 1204, 611, 0, None), (HOSTILE, 3, 0.5, True, "")),
    )


def _evidence(random: Random, control: Control, *, hostile: bool) -> Iterator[Evidence]:
    for path in ("/api/recording-started", "/api/recordings", "/health"):
        request_id = f"{random.getrandbits(64):016x}"
        yield Exchange(
            method="POST" if "started" in path else "GET",
            url=f"https://panotti.test:49153{path}",
            request_headers=(
                ("Origin", "https://evil.example"),
                ("Authorization", "[redacted]"),
                ("Content-Type", "application/json"),
                ("User-Agent", "panotti-compliance/0.1.0"),
            ),
            request_body='{"recording_id":"'
            + request_id
            + '","user":"u-1","timestamp":"2026-11-24T01:53:05Z"}',
            status=random.choice((200, 201, 401, 403, 429, 500)),
            response_headers=(
                ("Content-Type", "application/problem+json"),
                ("X-Request-ID", request_id),
                ("Strict-Transport-Security", "max-age=63072000; includeSubDomains"),
                ("Cache-Control", "no-store"),
                ("Vary", "Origin"),
            ),
            response_body=HOSTILE
            if hostile
            else f'{{"type":"about:blank","title":"Refused","request_id":"{request_id}"}}',
            elapsed_ms=round(random.uniform(1, 40), 2),
            curl=f'curl -sS -i -H "Authorization: Bearer $API_KEY" https://panotti.test:49153{path}',
        )
    yield Measurement(
        name="requests let through",
        value=random.randint(90, 100),
        unit="requests",
        samples=random.randint(100, 400),
        bound="= 100 in 60 s",
        detail={"p50_ms": round(random.uniform(1, 4), 2), "clients": 8},
    )
    yield Observation(subject="log line", data={"level": "info", "event": "request", "control": control.id})


def _proofs(control: Control, checks: int) -> Iterator[Proof]:
    for number, defect in enumerate(DEFECTS[: checks or len(_claims(control))]):
        missed = control.id == UNPROVEN and number == 1
        yield Proof(
            control=control.id,
            check=_check(control, number),
            defect=defect,
            defect_key=f"{number:012x}",
            profile="production",
            runtime="process",
            outcome="missed" if missed else "caught",
            message=""
            if missed
            else "AssertionError: 'access-control-allow-origin' was https://evil.example",
            clean=True,
            at=STARTED,
        )
