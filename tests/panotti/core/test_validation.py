"""What does not fit is refused with a problem document that repeats none of it."""

from __future__ import annotations

import json

import pytest

from tests.panotti.core.client import Client

STARTED = "/api/recording-started"
ENDED = "/api/recording-ended"
CANARY = "canary-5f1e"
JSON = {"Content-Type": "application/json"}

BAD_BODIES = {
    "malformed": b'{"recordingId": "r1"',
    "two values": b'{"recordingId": "r1"} {}',
    "a list": b"[]",
    "empty": b"",
    "not a number": b'{"recordingId":"r1","metadata":{"x":NaN}}',
    "infinity": b'{"recordingId":"r1","metadata":{"x":-Infinity}}',
    "a float too large": b'{"recordingId":"r1","metadata":{"x":1e999}}',
    "an integer over 64 bits": b'{"recordingId":"r1","metadata":{"x":9223372036854775808}}',
    "five thousand digits": b'{"recordingId":"r1","metadata":{"x":' + b"1" * 5000 + b"}}",
    "a name twice": b'{"recordingId":"r1","recordingId":"r2"}',
    "a name twice, deep": b'{"recordingId":"r1","metadata":{"a":{"b":1,"b":2}}}',
    "bad UTF-8": b'{"recordingId":"r\xff"}',
    "overlong UTF-8": b'{"recordingId":"r","metadata":{"x":"\xc0\xaf"}}',
    "byte order mark": b'\xef\xbb\xbf{"recordingId":"r1"}',
    "lone surrogate": b'{"recordingId":"r1","metadata":{"x":"\\ud800"}}',
    "lone surrogate as a name": b'{"recordingId":"r1","metadata":{"\\udfff":1}}',
    "NUL": b'{"recordingId":"r1\\u0000"}',
    "NUL in metadata": b'{"recordingId":"r1","metadata":{"x":"\\u0000"}}',
    "escape in metadata": b'{"recordingId":"r1","metadata":{"x":["\\u001b[31m"]}}',
    "C1 control": b'{"recordingId":"r1","metadata":{"x":"\xc2\x85"}}',
    "raw control": b'{"recordingId":"r1\x01"}',
    "nested too deep": b'{"recordingId":"r1","metadata":{"x":' + b"[" * 40 + b"]" * 40 + b"}}",
    "nested far too deep": b'{"recordingId":"r1","metadata":' + b'{"x":' * 20000 + b"1" + b"}" * 20001,
    "brackets without end": b"[" * 100_000,
}

BAD_FIELDS: dict[str, dict[str, object]] = {
    "unknown field": {"extra": 1},
    "unknown field with markup": {"<script>": 1},
    "number for a string": {"recordingId": 7},
    "boolean for a string": {"recordingId": True},
    "list for an object": {"metadata": []},
    "text for an object": {"metadata": "{}"},
    "number for a time": {"timestamp": 1706358896},
    "empty id": {"recordingId": ""},
    "id too long": {"recordingId": "r" * 129},
    "id with a parent": {"recordingId": "r..x"},
    "id with a slash": {"recordingId": "../../etc/passwd"},
    "id with a newline": {"recordingId": "r1\n"},
    "id with a space": {"recordingId": "r 1"},
    "path with a parent": {"system_audio_path": "/a/../b.wav"},
    "path with a parent, backslash": {"system_audio_path": "a\\..\\b.wav"},
    "path with a parent, encoded": {"system_audio_path": "/a/%2e%2e/b.wav"},
    "path with a parent, encoded twice": {"system_audio_path": "/a/%252e%252e/b.wav"},
    "path with an encoded NUL": {"system_audio_path": "/a%00.wav"},
    "path with a newline": {"system_audio_path": "/a\n.wav"},
    "path that is a URL": {"microphone_audio_path": "http://169.254.169.254/x"},
    "path that is a file URL": {"microphone_audio_path": "file:///etc/passwd"},
    "path too long": {"microphone_audio_path": "/" + "a" * 1024},
    "empty path": {"microphone_audio_path": ""},
    "wrong time": {"timestamp": "yesterday"},
    "impossible time": {"timestamp": "20240230000000"},
    "time out of range": {"timestamp": "0001-01-01T00:00:00+14:00"},
    "other event": {"event": "recording.ended"},
    "metadata too large": {"metadata": {str(number): "x" * 1000 for number in range(80)}},
    "metadata text too long": {"metadata": {"x": ["y" * 8193]}},
    "metadata name too long": {"metadata": {"y" * 8193: 1}},
}


def assert_refused(reply_status: int, content_type: str, text: str) -> None:
    assert reply_status == 422, text
    assert content_type == "application/problem+json"
    detail = json.loads(text)["detail"]
    assert detail
    assert all(set(fault) == {"type", "loc", "msg"} for fault in detail)


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_that_is_not_strict_json_is_refused(
    server: Client, admin: dict[str, str], body: bytes
) -> None:
    reply = server.post(STARTED, headers={**admin, **JSON}, content=body)

    assert_refused(reply.status_code, reply.headers["content-type"], reply.text)


@pytest.mark.parametrize("fields", BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_field_that_does_not_fit_is_refused(
    server: Client, admin: dict[str, str], fields: dict[str, object]
) -> None:
    reply = server.post(STARTED, headers=admin, json={"recordingId": "r1", **fields})

    assert_refused(reply.status_code, reply.headers["content-type"], reply.text)
    assert server.get("/api/recordings", headers=admin).json()["recordings"] == []


@pytest.mark.parametrize("missing", ["recordingId", "systemAudioPath", "microphoneAudioPath", "metadata"])
def test_a_missing_field_is_named(server: Client, admin: dict[str, str], missing: str) -> None:
    whole = {"recordingId": "r", "systemAudioPath": "a", "microphoneAudioPath": "b", "metadata": {}}
    body = {name: value for name, value in whole.items() if name != missing}

    (fault,) = server.post(ENDED, headers=admin, json=body).json()["detail"]

    assert fault["loc"] == ["body", missing]
    assert fault["type"] == "missing"


@pytest.mark.parametrize("place", ["recordingId", "event", "timestamp", "system_audio_path", "metadata"])
def test_a_refused_value_is_not_repeated(server: Client, admin: dict[str, str], place: str) -> None:
    body = {"recordingId": "r1", place: f"{CANARY}\x07"}

    reply = server.post(STARTED, headers=admin, json=body)

    assert reply.status_code == 422
    assert CANARY not in reply.text


def test_a_name_that_is_no_plain_name_is_not_repeated(server: Client, admin: dict[str, str]) -> None:
    reply = server.post(STARTED, headers=admin, json={"recordingId": "r1", f"<{CANARY}>": 1})

    assert CANARY not in reply.text


def test_many_faults_make_a_short_answer(server: Client, admin: dict[str, str]) -> None:
    body = {"recordingId": "r1", **{f"x{number}": 1 for number in range(5000)}}

    assert len(server.post(STARTED, headers=admin, json=body).json()["detail"]) == 20


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "text/json"],
)
def test_another_content_type_is_refused(server: Client, admin: dict[str, str], content_type: str) -> None:
    headers = {**admin, **({"Content-Type": content_type} if content_type else {})}

    reply = server.post(STARTED, headers=headers, content=b'{"recordingId":"r1"}')

    assert reply.status_code == 415
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("content_type", ["application/json; charset=UTF-8", "Application/JSON"])
def test_json_in_another_spelling_is_taken(server: Client, admin: dict[str, str], content_type: str) -> None:
    headers = {**admin, "Content-Type": content_type}

    assert server.post(STARTED, headers=headers, content=b'{"recordingId":"r1"}').status_code == 200


def test_text_with_lines_and_other_scripts_is_kept(server: Client, admin: dict[str, str]) -> None:
    metadata = {"note": "first\nsecond\t\u00fc\u4e2d\U0001f600", "deep": [[[[{"x": -1.5e3, "y": None}]]]]}
    server.post(STARTED, headers=admin, json={"recordingId": "r1", "metadata": metadata})

    (event,) = server.get("/api/recordings/r1/events", headers=admin).json()["events"]

    assert event["metadata"] == metadata


@pytest.mark.parametrize("key", ["a b", "x" * 256, ""])
def test_an_idempotency_key_must_be_plain(server: Client, admin: dict[str, str], key: str) -> None:
    headers = {**admin, "Idempotency-Key": key}

    assert server.post(STARTED, headers=headers, json={"recordingId": "r1"}).status_code == 422
