"""Requests at an even pace, while the server answers, fails, or hangs up."""

from __future__ import annotations

import time

from harness.probes.stream import StreamProbe

DETAIL = ("GET", "/health/detail")


def test_a_stream_tells_who_answered(plain, little, recorder):
    little.answers[DETAIL] = (200, {"worker": {"host": "one"}})
    with StreamProbe(plain)(DETAIL[1], per_s=200, each=lambda _: {}) as stream:
        while len(stream.passed) < 12:
            time.sleep(0.01)

    assert set(stream.hosts()) == {"one"}
    assert not stream.failed
    assert stream.passed == sorted(stream.passed, key=lambda one: one.at_s)
    assert recorder.total == 1


def test_failures_are_counted_by_what_they_were(plain, little):
    little.answers[DETAIL] = (503, {})
    with StreamProbe(plain)(DETAIL[1], per_s=200, each=lambda _: {}) as stream:
        while len(stream.passed) < 4:
            time.sleep(0.01)

    assert len(stream.failed) == len(stream.passed)
    assert stream.told().endswith("x 503")


def test_a_kept_connection_that_ended_is_no_failure_of_the_server(plain, serve):
    async def once(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    plain.base_url = serve(once)
    probe = StreamProbe(plain)
    with probe(DETAIL[1], per_s=100, each=lambda _: {}) as stream:
        while len(stream.passed) < 8:
            time.sleep(0.01)

    assert not stream.failed
    assert not any(one.repeated for one in stream.passed)
