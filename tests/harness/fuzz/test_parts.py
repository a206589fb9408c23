"""Messages, reducing, values at places, and what a campaign's figures say."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.fuzz import description, mutation
from harness.fuzz.exhibits import exhibits
from harness.fuzz.levels import unfit
from harness.fuzz.message import Message, texts, written
from harness.fuzz.order import Known, Operation
from harness.fuzz.records import Failure, FuzzResult, Tally, told
from harness.fuzz.reduce import reduced
from harness.policy.searches import Fuzz
from tests.harness.fuzz.conftest import READ, TAKE, Ordering

FLOOR = Fuzz(budget_s=1.0, cases=3, successes=2)


def message(body: str = "", target: str = "/notes", **given_: str) -> Message:
    return Message(operation=TAKE, method="POST", target=target, body=body, **given_)


def failure(
    detail: str = "500", operation: str = TAKE, status: int = 500, again: bool | None = True
) -> Failure:
    sent = Message(operation=operation, method="POST", target="/notes", body='{"text":"a"}')
    return Failure(
        oracle="server-error",
        detail=detail,
        message=sent,
        caller="writer",
        phase="values",
        status=status,
        again=again,
    )


@given(st.binary())
def test_any_body_is_kept_as_it_is(content: bytes) -> None:
    body, base64 = written(content)

    assert (
        Message(operation=TAKE, method="POST", target="/", body=body, body_base64=base64).content == content
    )


def test_texts_are_what_the_server_reads() -> None:
    found = texts(message('{"a": ["b\\u00e4", {"c": "d"}], "e": 1}', "/x%20y/z?q=1%2B1+2"))

    assert found.names == {"a", "c", "e", "q"}
    assert found.values == {"b\u00e4", "d", "x y", "z", "1+1 2"}
    assert "not json" in texts(message("not json")).values


def test_a_request_is_reduced_to_what_is_needed() -> None:
    sent = message(
        json.dumps({"text": "abcXdef", "extra": {"deep": [1, {"a": "b"}], "other": 2}}),
        "/notes?a=b",
        fields=(("Content-Type", "application/json"), ("Accept", "*/*")),  # type: ignore[arg-type]
    )
    asked = []

    def fails(candidate: Message) -> bool:
        asked.append(candidate)
        found = candidate.json()
        return isinstance(found, dict) and "X" in str(found.get("text"))

    found = reduced(sent, fails)

    assert (found.target, found.fields, found.json()) == ("/notes", (), {"text": "X"})
    assert len(asked) <= 60


def test_a_body_that_is_no_json_is_cut() -> None:
    found = reduced(message(body_base64=written(b"\xff" * 64 + b"!")[1]), lambda one: b"!" in one.content)

    assert found.content == b"!"


def test_every_kind_of_value_comes_to_every_place_and_free_members_first(order: Ordering) -> None:
    usual = order()
    document = description.for_fuzzing(usual)
    shapes = [description.shape(document, operation) for operation in usual.operations]

    found = mutation.trials(shapes, seed=3)

    order_of_all = [found.index(trial) for trial in found if trial.place.free]
    assert max(order_of_all) < len(found) / 3
    assert {trial.group for trial in found if trial.place.free} == set(mutation.VALUES)
    assert {trial.place.name for trial in found if trial.place.free} == {"extra"}
    assert {trial.group for trial in found if trial.place.kind == "path"} == set(mutation.TEXTS)
    assert {trial.place.name for trial in found if trial.place.kind == "member"} == {
        "text",
        "extra",
        "nickname",
    }
    assert found == mutation.trials(shapes, seed=3)
    assert found != mutation.trials(shapes, seed=4)


@given(st.data())
def test_a_drawn_request_is_the_valid_one_but_for_one_value(data: st.DataObject) -> None:
    known = Operation(
        name="PUT /notes/{name}",
        allowed=("writer",),
        known=(Known(parameters={"name": "first"}, body='{"text": "hello", "n": 1}'),),
    )
    kinds = {"member": "text", "path": "name", "query": "cursor", "header": "Accept"}
    kind = data.draw(st.sampled_from(list(kinds)))
    place = description.Place(kind=kind, name=kinds[kind])  # type: ignore[arg-type]
    trial = next(t for t in mutation.trials([description.Shape(operation=known, places=(place,))], seed=1))

    sent = mutation.draw(data, trial)

    path, _, query = sent.target.partition("?")
    assert (sent.method, sent.operation) == ("PUT", "PUT /notes/{name}")
    assert (path == "/notes/first") == (kind != "path")
    assert bool(query) == (kind == "query")
    body = json.loads(sent.body)
    assert body["n"] == 1
    assert (body["text"] == "hello") or kind == "member"


def counted(**given_: int) -> FuzzResult:
    counts = {TAKE: {"values": Tally(statuses=Counter({200: 2, 422: 3, 429: 9}), successes=2)}}
    counts[READ] = {
        "values": Tally(statuses=Counter({200: given_.get("read", 2)}), successes=given_.get("read", 2)),
        "coverage": Tally(statuses=Counter({404: given_.get("missed", 2)})),
        "reduced": Tally(statuses=Counter({200: 9}), successes=9),
    }
    return FuzzResult(seed=5, budget_s=1.0, elapsed_s=1.0, counts=counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (counted(), ""),
        (
            counted(read=1),
            "1 of 2 operations let fewer than 2 authenticated requests through, so nothing was tried behind "
            f"their door: {READ}",
        ),
        (counted(missed=0), f"fewer than 3 cases of 1 operations: {READ}"),
        (
            FuzzResult(seed=5, budget_s=1.0, counts={TAKE: {"values": counted().counts[TAKE]["values"]}}),
            "there was no time for what the description gives: its coverage and its fuzzing",
        ),
        (
            FuzzResult(seed=5, budget_s=1.0, counts={}),
            "the description names no operation that could be fuzzed",
        ),
    ],
)
def test_too_few_cases_and_too_few_let_in_prove_nothing(result: FuzzResult, why: str) -> None:
    assert unfit(result, FLOOR) == why


def test_not_now_is_a_failure_only_where_it_stays() -> None:
    assert failure(status=500, again=None).counts
    assert failure(status=503).counts
    assert not failure(status=503, again=False).counts
    assert not failure(status=503, again=None).counts


def test_failures_are_told_by_fault() -> None:
    found = [failure(operation=f"POST /{name}") for name in "abc"]

    text = told([*found, failure(detail="503", status=503)])

    assert text.startswith("server-error, 500: POST /")
    assert "harness fuzz --replay" in text
    assert " and 1 more; server-error, 503: POST /notes" in text
    assert text == told([failure(detail="503", status=503), *reversed(found)]), "the same in any order"


def test_a_campaign_is_shown_as_operations_by_phases_and_its_failures() -> None:
    operations, failures = exhibits(FuzzResult(**{**_fields(counted()), "failures": (failure(),)}))

    assert operations.rows[1][:4] == (TAKE, 0, 5, 0)
    assert operations.rows[1][-3:] == (5, 2, 1)
    assert operations.rows[-1][-3:] == (9, 4, 1)
    assert failures.rows[0][-1] == f"harness fuzz --replay {failure().id}"
    assert len(exhibits(counted())) == 1


def _fields(result: FuzzResult) -> dict[str, object]:
    return {name: getattr(result, name) for name in ("seed", "budget_s", "elapsed_s", "counts")}
