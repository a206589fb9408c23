from __future__ import annotations

import threading

import pytest

from harness.probes.logs import LogProbe
from harness.redaction import VAULT


@pytest.fixture
def logs(plain):
    plain.printed += [
        "starting",
        '{"event":"request","status":200}',
        "{broken",
        '{"event":"exception"}',
        "[1]",
    ]
    return LogProbe(plain)


def test_structured_lines_are_found_by_their_fields(logs, recorder):
    assert logs.records(event="request") == [{"event": "request", "status": 200}]
    assert len(logs.records()) == 2
    assert logs.records(event="request", status=500) == []
    assert recorder.total == 3


def test_lines_without_structure_are_told_apart(logs):
    assert logs.stray() == ["starting", "{broken", "[1]"]


def test_a_mark_leaves_out_what_came_before(logs, plain):
    mark = logs.mark()
    plain.printed.append('{"event":"request","status":401}')

    assert [line["status"] for line in logs.records(since=mark, event="request")] == [401]
    assert logs.text(since=mark) == '{"event":"request","status":401}\n'


def test_a_line_that_is_late_is_waited_for(logs, plain):
    late = threading.Timer(0.05, plain.printed.append, ['{"event":"late","n":1}'])
    late.start()
    found = logs.wait_for(lambda line: line.get("n") == 1, event="late")
    late.join()

    assert found == [{"event": "late", "n": 1}]


def test_lines_that_do_not_come_are_missing_from_the_result(logs, recorder):
    assert len(logs.wait_for(count=3, timeout_s=0.05)) == 2
    assert recorder.seconds().target_s > 0


def test_evidence_of_a_log_holds_no_secret(logs, plain, recorder):
    VAULT.learn("key-that-was-logged", "$API_KEY")
    plain.printed.append('{"event":"leak","header":"key-that-was-logged"}')
    (found,) = logs.records(event="leak")

    assert found["header"] == "key-that-was-logged"
    assert "key-that-was-logged" not in repr(recorder.telling())


def test_the_lines_of_each_request_are_told_apart(plain, recorder):
    logs = LogProbe(plain)
    plain.printed += [
        '{"event":"request","request_id":"one","status":200}',
        '{"event":"request","request_id":"two","status":401}',
        '{"event":"request","request_id":"two","status":401}',
        '{"event":"failure","request_id":"one"}',
        '{"event":"request","request_id":null}',
    ]

    found = logs.requests(["one", "two", "three"], timeout_s=0.05)

    assert {request_id: len(lines) for request_id, lines in found.items()} == {"one": 1, "two": 2, "three": 0}
    assert recorder.total == 1


def test_a_line_ends_at_a_line_feed_alone(plain):
    logs = LogProbe(plain)
    plain.printed.append('{"event":"request","path":"/a\u2028b\x85c"}')

    assert [line["path"] for line in logs.records(event="request", path="/a\u2028b\x85c")] == [
        "/a\u2028b\x85c"
    ]
    assert logs.stray() == []
