from __future__ import annotations

import pytest

from harness.outcome import NotVerified
from harness.principals import ApiKey
from harness.probes.workers import Workers

DETAIL = ("GET", "/health/detail")


def reach(deployment, wanted):
    return Workers(
        deployment, detail=DETAIL[1], key=ApiKey(value="k" * 32), wanted=wanted, auth_header="X-API-Key"
    )


def test_each_worker_is_asked_once_on_the_connection_it_took(plain, little, recorder):
    little.answers[DETAIL] = (200, {"worker": {"pid": 7}})
    with reach(plain, 1) as workers:
        replies = [*workers.ask("GET", "/echo"), *workers.ask("GET", "/echo")]

    assert [reply.status for reply in replies] == [200, 200]
    assert len({request["client"] for request in little.seen}) == 1
    assert recorder.total == 3


def test_workers_that_cannot_be_reached_are_not_verified(plain, little):
    little.answers[DETAIL] = (200, {"worker": {"pid": 7}})
    with pytest.raises(NotVerified, match="1 of 2 workers"):
        reach(plain, 2)


def test_a_server_that_tells_no_worker_is_not_verified(plain):
    with pytest.raises(NotVerified, match="0 of 1 workers"):
        reach(plain, 1)


def test_a_worker_that_hangs_up_is_not_taken_for_another(plain, serve):
    async def once(scope, receive, send):
        last = scope["path"] == "/last"
        headers = [(b"connection", b"close")] if last else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"worker": {"pid": 7}}'})

    plain.base_url = serve(once)
    with reach(plain, 1) as workers:
        assert workers.pids == (7,)
        assert [reply.status for reply in workers.ask("GET", "/last")] == [200]
        assert [reply.status for reply in workers.ask("GET", "/more")] == [0]
