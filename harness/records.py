"""The records of a journal: what was observed, and what was found. Immutable, and plain enough for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from harness.verdict import Verdict

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One HTTP request and its answer, redacted, bodies cut to 2 kB. status 0: no answer (`error`: why)."""

    kind: Literal["exchange"] = "exchange"
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: str = ""
    status: int
    response_headers: tuple[tuple[str, str], ...] = ()
    response_body: str = ""
    elapsed_ms: float
    error: str = ""
    curl: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A number with its unit, the samples behind it and the bound it was held against."""

    kind: Literal["measurement"] = "measurement"
    name: str
    value: float
    unit: str
    samples: int
    bound: str = ""
    detail: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Anything else that was seen: a process list, a TLS scan, a log line, a browser's answer."""

    kind: Literal["observation"] = "observation"
    subject: str
    data: Mapping[str, Json]


Page = Literal["topology", "performance", "rollout", "fuzz", "supply-chain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve of a chart: its points in the order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A moment on a chart's x axis at which something happened."""

    at: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Curves for a page of the report. x, y: what the axes show, with the unit: "time (s)"."""

    kind: Literal["chart"] = "chart"
    page: Page
    title: str
    x: str
    y: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for a page of the report, each as long as `columns`."""

    kind: Literal["table"] = "table"
    page: Page
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[bool | int | float | str | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A part of a diagram. zone: what it stands in, a network for example; zones are drawn as boxes."""

    name: str
    label: str
    zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A way between two nodes, by their names. controls: those whose verdicts it shows."""

    source: str
    target: str
    label: str = ""
    controls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """Nodes and hops for a page of the report."""

    kind: Literal["diagram"] = "diagram"
    page: Page
    title: str
    nodes: tuple[Node, ...]
    hops: tuple[Hop, ...]


Exhibit = Chart | Table | Diagram
Evidence = Exchange | Measurement | Observation | Exhibit


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Where a check's seconds went. own = wall − deployment − demanded − target."""

    wall_s: float
    deployment_s: float = 0.0  # starting what it needed
    demanded_s: float = 0.0  # waits that the control itself demands (a window, an expiry)
    target_s: float = 0.0  # waiting for the target's answers
    uses: tuple[str, ...] = ()  # "measuring": it had the machine to itself; "rollout": it rolled releases out


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check judged on one deployment.

    defect: title of the planted defect (self-test only), "" on the clean deployment.
    fingerprint: stable over line numbers and builds: control, check, profile, and the normalised message.
    """

    control: str
    check: str  # "suites/middleware/test_cors.py::test_unlisted_origin_gets_no_grant[...]"
    claim: str  # the check's docstring, one line
    profile: str
    runtime: str
    target: str
    verdict: Verdict
    message: str  # why, for anything but pass; "" on pass
    evidence: tuple[Evidence, ...]
    evidence_total: int  # taken in all; `evidence` may keep only the telling ones
    timing: Timing
    started: str  # RFC 3339 UTC
    defect: str = ""
    defect_key: str = ""
    source: str = ""  # "suites/middleware/test_cors.py:14"
    again: str = ""  # the command that runs this check again
    fingerprint: str = ""


INTERRUPTED: Final = "interrupted"
UNSOUND: Final = "run.unsound"  # something broke that belongs to no check; detail["what"] says what


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A deployment's life and other moments worth a line: name, seconds it took, details."""

    name: str  # "image.built", "deployment.ready", "deployment.failed", "interrupted", ...
    profile: str = ""
    seconds: float = 0.0
    detail: Mapping[str, Json] = field(default_factory=dict)
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One defect of one check, tried in the self-test. caught: the check failed; clean: the twin passed."""

    control: str
    check: str
    defect: str
    defect_key: str
    profile: str
    runtime: str
    outcome: Literal["caught", "missed", "error"]
    message: str  # the failure message the defect provoked, or what went wrong
    clean: bool
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """A proof that holds no more. why: "harness/probes/tls.py changed"."""

    check: str
    defect_key: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The head of a journal: what was run, on what, with what.

    environment: also "proofs", what is to be said of the ledger as a whole, and "audit", its last one.
    signer: the key that signs it: {"public_key": hexadecimal, "made_for_run": whether nobody keeps it}.
    checks: those that the ledger knows, by control: what was not collected is missed all the same.
    """

    run_id: str
    kind: Literal["verify", "selftest"]
    started: str
    profiles: tuple[str, ...]
    runtime: str
    target: str
    controls: tuple[str, ...]  # the globs asked for
    policy: Mapping[str, Json]  # profile -> {"sha256", "source", "required": [...], "not_applicable": {...}}
    environment: Mapping[str, Json]  # versions, image digests, revision, host
    waivers: tuple[Mapping[str, Json], ...] = ()
    proofs: tuple[Proof, ...] = ()  # those that hold
    stale: tuple[Stale, ...] = ()
    signer: Mapping[str, Json] = field(default_factory=dict)
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
