from __future__ import annotations

import asyncio
import json

import pytest

from harness.probes.hold import HoldProbe
from harness.records import Exchange, Observation

PATH = "/api/recording-started"


def body(number):
    return {"json": {"recordingId": f"r{number}"}, "key": "a-key-0123456789"}


@pytest.mark.parametrize("which", ["plain", "secure"])
def test_held_requests_are_in_flight_until_they_are_finished(which, request, little, recorder):
    with HoldProbe(request.getfixturevalue(which))(PATH, n=3, each=body) as held:
        assert [one.begun for one in held] == [True] * 3
        assert not any(one.answered for one in held)
        assert not little.seen
        replies = [one.finish() for one in held]

    assert [reply.field("recording_id") for reply in replies] == ["r0", "r1", "r2"]
    assert [json.loads(seen["body"])["recordingId"] for seen in little.seen] == ["r0", "r1", "r2"]
    first, *exchanges = recorder.telling()
    assert isinstance(first, Observation)
    assert first.data["in_flight"] == 3
    assert all(isinstance(item, Exchange) and item.status == 200 for item in exchanges)


def test_a_request_that_is_answered_at_once_is_refused(plain, serve):
    async def refuse(scope, receive, send):
        await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"1")]})
        await send({"type": "http.response.body", "body": b""})

    plain.base_url = serve(refuse)
    with HoldProbe(plain)(PATH, n=2, each=body) as held:
        assert [one.begun for one in held] == [False] * 2
        assert [one.refusal and one.refusal.headers["retry-after"] for one in held] == ["1", "1"]


def test_a_server_that_does_not_ask_leaves_the_request_neither_begun_nor_refused(plain, serve):
    async def wait(scope, receive, send):
        await asyncio.sleep(30)

    plain.base_url = serve(wait)
    with HoldProbe(plain)(PATH, each=body, timeout_s=0.2) as (one,):
        assert not one.begun
        assert not one.answered
        assert one.refusal is None
