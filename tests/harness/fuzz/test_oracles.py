"""What no request may be answered, and what may well be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.fuzz.message import Message
from harness.fuzz.oracles import Judge
from harness.probes.reply import Headers, Reply

JUDGE = Judge(unversioned=("server",), public='{"enum": ["recording.started"]}')
SENT = Message(
    operation="POST /notes",
    method="POST",
    target="/notes/no%20such%20note?cursor=the%2Bcursor",
    body=json.dumps({"text": "tell-tale\u00e4", "kind": "recording.started", "a-name-of-mine": 1}),
)


def answer(
    status: int = 422, detail: Any = "no", *, kind: str = "application/problem+json", **fields: str
) -> Reply:
    body = {"title": "A problem", "status": status, "detail": detail}
    headers = [("Content-Type", kind), *((name.replace("_", "-"), value) for name, value in fields.items())]
    return Reply(status=status, headers=Headers(headers), body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "reply",
    [
        answer(),
        answer(200, "tell-tale\u00e4", kind="application/json"),
        answer(detail=[{"loc": ["body", "a-name-of-mine"], "msg": "recording.started or recording.ended"}]),
        answer(404, x_request_id="no such note", server="panotti"),
        answer(503),
    ][:-1],
)
def test_a_good_answer_has_nothing_wrong(reply: Reply) -> None:
    assert JUDGE.complaints(SENT, reply) == ()


@pytest.mark.parametrize(
    ("reply", "wrong"),
    [
        (answer(500), ["server-error: 500"]),
        (answer(503), ["server-error: 503"]),
        (Reply(status=0, error="closed"), ["no-answer: the connection ended, or nothing came"]),
        (answer(kind="text/html"), ["no-problem: 422, text/html"]),
        (answer(kind=""), ["no-problem: 422, no content type"]),
        (
            Reply(
                status=404,
                headers=Headers([("content-type", "application/problem+json")]),
                body=b'{"status":400,"title":"t"}',
            ),
            ["no-problem: 404, its status is another one"],
        ),
        (
            Reply(
                status=404,
                headers=Headers([("content-type", "application/problem+json")]),
                body=b'{"status":404}',
            ),
            ["no-problem: 404, it has no title"],
        ),
        (answer(detail="what is tell-tale\u00e4?"), ["echo: 422"]),
        (answer(detail="there is no such note"), ["echo: 422"]),
        (answer(location="/the+cursor"), ["echo: 422"]),
        (answer(detail="Traceback (most recent call last):"), ["trace: 422"]),
        (answer(detail="sqlalchemy.exc.OperationalError"), ["trace: 422"]),
        (answer(detail="SELECT name FROM notes"), ["trace: 422"]),
        (answer(detail="uvicorn/0.54.0"), ["version: in the body of 422"]),
        (answer(server="x 1.2"), ["version: in the header server"]),
    ],
)
def test_a_bad_answer_is_told(reply: Reply, wrong: list[str]) -> None:
    assert [f"{found.oracle}: {found.detail}" for found in JUDGE.complaints(SENT, reply)] == wrong


def test_what_the_request_holds_is_an_echo_and_no_trace() -> None:
    sent = Message(
        operation="POST /notes", method="POST", target="/notes", body='{"a": "some.thing.TypeError"}'
    )

    (found,) = JUDGE.complaints(sent, answer(detail="some.thing.TypeError"))

    assert str(found) == "a refusal repeats the request (CWE-209): 422"


def test_head_has_no_body_to_be_a_problem() -> None:
    sent = Message(operation="GET /notes", method="HEAD", target="/notes")

    assert JUDGE.complaints(sent, Reply(status=404, headers=Headers([("content-length", "90")]))) == ()
