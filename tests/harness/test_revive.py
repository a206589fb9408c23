"""Records made again from JSON: the same ones, or nothing."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import chain
from harness.records import (
    Chart,
    Diagram,
    Event,
    Evidence,
    Exchange,
    Finding,
    Hop,
    Line,
    Mark,
    Measurement,
    Node,
    Observation,
    Proof,
    Run,
    Stale,
    Table,
    Timing,
)
from harness.revive import Unreadable, revive_event, revive_finding, revive_proof, revive_run
from harness.verdict import Verdict
from tests.harness import make

TEXT = st.text("aZ é\"'\\\n\x00[]{}", max_size=6)
NUMBER = st.floats(0, 1e9, allow_nan=False)
PAIRS = st.lists(st.tuples(TEXT, TEXT), max_size=2).map(tuple)
DATA = st.dictionaries(TEXT, TEXT | st.integers(0, 9) | st.lists(TEXT, max_size=2), max_size=2)
EXCHANGE = st.builds(
    Exchange,
    method=TEXT,
    url=TEXT,
    status=st.integers(0, 599),
    request_headers=PAIRS,
    response_headers=PAIRS,
    elapsed_ms=NUMBER,
    error=TEXT,
)
MEASUREMENT = st.builds(
    Measurement, name=TEXT, value=NUMBER, unit=TEXT, samples=st.integers(0, 9), bound=TEXT, detail=DATA
)
POINTS = st.lists(st.tuples(NUMBER, NUMBER), max_size=3).map(tuple)
PAGE = st.sampled_from(("topology", "performance", "rollout", "fuzz", "supply-chain"))
CHART = st.builds(
    Chart,
    **dict.fromkeys(("title", "x", "y"), TEXT),
    page=PAGE,
    lines=st.tuples(st.builds(Line, name=TEXT, points=POINTS)),
    marks=st.lists(st.builds(Mark, at=NUMBER, label=TEXT), max_size=2).map(tuple),
)
TABLE = st.builds(
    Table,
    page=PAGE,
    title=TEXT,
    columns=st.tuples(TEXT, TEXT),
    rows=st.lists(st.tuples(TEXT, NUMBER | st.none() | st.booleans()), max_size=2).map(tuple),
)
DIAGRAM = st.builds(
    Diagram,
    page=PAGE,
    title=TEXT,
    nodes=st.tuples(st.builds(Node, name=TEXT, label=TEXT, zone=TEXT)),
    hops=st.tuples(st.builds(Hop, source=TEXT, target=TEXT, controls=st.tuples(TEXT))),
)
EVIDENCE: st.SearchStrategy[Evidence] = (
    EXCHANGE | MEASUREMENT | st.builds(Observation, subject=TEXT, data=DATA) | CHART | TABLE | DIAGRAM
)
FINDING = st.builds(
    Finding,
    **dict.fromkeys(("control", "check", "claim", "profile", "runtime", "target", "message"), TEXT),
    verdict=st.sampled_from(Verdict),
    evidence=st.lists(EVIDENCE, max_size=2).map(tuple),
    evidence_total=st.integers(0, 9),
    timing=st.builds(Timing, wall_s=NUMBER, target_s=NUMBER),
    started=TEXT,
    defect=TEXT,
    fingerprint=TEXT,
)


def as_read(record: object) -> Any:
    """What a journal gives for it."""
    line, _ = chain.encode(chain.ORIGIN, 0, "x", record)
    return orjson.loads(line)["payload"]


@given(FINDING)
def test_a_finding_with_all_its_evidence_comes_back_the_same(finding: Finding) -> None:
    assert revive_finding(as_read(finding)) == finding


@given(st.builds(Event, name=TEXT, profile=TEXT, seconds=NUMBER, detail=DATA, at=TEXT))
def test_so_does_an_event(event: Event) -> None:
    assert revive_event(as_read(event)) == event


@given(st.sampled_from(["caught", "missed", "error"]), st.booleans(), TEXT)
def test_so_does_a_proof(outcome: str, clean: bool, message: str) -> None:
    proof: Proof = make.proof(outcome=outcome, clean=clean, message=message)

    assert revive_proof(as_read(proof)) == proof


def test_so_does_a_head() -> None:
    head: Run = make.run(
        profiles=("testing", "production"),
        controls=("a.*",),
        proofs=(make.proof(),),
        stale=(Stale(check=make.CHECK, defect_key="other", why="a.py changed"),),
        waivers=(make.waiver_record(make.finding(Verdict.FAIL)),),
    )

    assert revive_run(as_read(head)) == head


def test_a_head_of_before_stale_proofs_were_told_is_read_too() -> None:
    payload = {name: value for name, value in as_read(make.run()).items() if name != "stale"}

    assert revive_run(payload) == make.run()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"verdict": "marvellous"}, "marvellous"),
        ({"evidence": [{"kind": "rumour"}]}, "unknown kind of evidence"),
        ({"evidence": ["rumour"]}, "unknown kind of evidence"),
        ({"evidence": [{"kind": "observation", "subject": "x"}]}, "not a observation"),
        ({"evidence": None}, "not a finding"),
        ({"timing": {"wall_s": 1, "idle_s": 2}}, "not a timing"),
        ({"of_a_later_version": 1}, "not a finding"),
    ],
)
def test_what_is_none_is_refused_and_says_why(change: dict[str, Any], told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        revive_finding({**as_read(make.finding()), **change})


@pytest.mark.parametrize("payload", [None, 1, "text", [], {}])
def test_so_is_what_is_no_record_at_all(payload: Any) -> None:
    for revive in (revive_finding, revive_event, revive_proof, revive_run):
        with pytest.raises(Unreadable):
            revive(payload)
