"""The two events of the contract, and what can be read of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.panotti.conftest import Shared
from tests.panotti.core.client import Client

STARTED = "/api/recording-started"
ENDED = "/api/recording-ended"


def ended(recording_id: str, **more: object) -> dict[str, object]:
    paths = {"systemAudioPath": "/a/system.wav", "microphoneAudioPath": "/a/microphone.wav"}
    return {"recordingId": recording_id, "metadata": {}, **paths, **more}


def test_a_started_recording_can_be_read_back(server: Client, admin: dict[str, str]) -> None:
    body = {"recordingId": "r1", "recording_timestamp": "20240127123456", "metadata": {"title": "Talk"}}

    reply = server.post(STARTED, headers=admin, json=body)

    assert reply.json() == {"status": "success", "recording_id": "r1"}
    found = server.get("/api/recordings/r1", headers=admin).json()
    assert found["state"] == "active"
    assert found["started_at"] == "2024-01-27T12:34:56.000000Z"
    (event,) = server.get("/api/recordings/r1/events", headers=admin).json()["events"]
    assert event["event"] == "recording.started"
    assert event["metadata"] == {"title": "Talk"}


def test_an_end_completes_the_recording(server: Client, admin: dict[str, str]) -> None:
    server.post(STARTED, headers=admin, json={"recordingId": "r1"})

    reply = server.post(ENDED, headers=admin, json=ended("r1", timestamp="1706358896"))

    assert reply.json() == {"status": "success", "event_id": "r1_ended_2024-01-27T12:34:56.000000Z"}
    assert server.get("/api/recordings/r1", headers=admin).json()["state"] == "completed"


def test_an_acknowledged_event_is_in_the_database(
    server: Client, admin: dict[str, str], tmp_path: Path, backend: Shared | None
) -> None:
    server.post(STARTED, headers=admin, json={"recordingId": "r1"})

    if backend is not None:
        assert [row[0] for row in backend.sql("SELECT recording_id FROM recording_events")] == ["r1"]
        return
    with sqlite3.connect(tmp_path / "panotti.db") as other:
        assert other.execute("SELECT recording_id FROM recording_events").fetchall() == [("r1",)]
    other.close()


def test_a_retry_has_one_effect_and_the_same_answer(server: Client, admin: dict[str, str]) -> None:
    headers = {**admin, "Idempotency-Key": "once"}

    first = server.post(ENDED, headers=headers, json=ended("r1"))
    second = server.post(ENDED, headers=headers, json=ended("r1"))

    assert first.content == second.content
    assert len(server.get("/api/recordings/r1/events", headers=admin).json()["events"]) == 1


def test_an_idempotency_key_serves_one_request_only(server: Client, admin: dict[str, str]) -> None:
    headers = {**admin, "Idempotency-Key": "once"}
    server.post(ENDED, headers=headers, json=ended("r1"))

    reply = server.post(ENDED, headers=headers, json=ended("r2"))

    assert reply.status_code == 409
    assert server.get("/api/recordings/r2", headers=admin).status_code == 404


def test_an_active_recording_can_fail_and_stays_failed(server: Client, admin: dict[str, str]) -> None:
    server.post(STARTED, headers=admin, json={"recordingId": "r1"})

    for _ in range(2):
        reply = server.put("/api/recordings/r1/state", headers=admin, json={"state": "failed"})
        assert reply.json()["state"] == "failed"

    events = server.get("/api/recordings/r1/events", headers=admin).json()["events"]
    assert [event["event"] for event in events] == ["recording.started", "recording.failed"]
    server.post(ENDED, headers=admin, json=ended("r1"))
    assert server.get("/api/recordings/r1", headers=admin).json()["state"] == "failed"


def test_a_completed_recording_cannot_fail(server: Client, admin: dict[str, str]) -> None:
    server.post(ENDED, headers=admin, json=ended("r1"))

    reply = server.put("/api/recordings/r1/state", headers=admin, json={"state": "failed"})

    assert reply.status_code == 409


def test_an_unknown_recording_is_not_found(server: Client, admin: dict[str, str]) -> None:
    for path in ("/api/recordings/none", "/api/recordings/none/events"):
        assert server.get(path, headers=admin).status_code == 404
    reply = server.put("/api/recordings/none/state", headers=admin, json={"state": "failed"})
    assert reply.status_code == 404


def test_an_id_with_a_control_character_is_refused(server: Client, admin: dict[str, str]) -> None:
    """PostgreSQL takes no NUL in a text: it would be an error of the server's."""
    for path in ("/api/recordings/a%00b", "/api/recordings/a%0Ab/events"):
        assert server.get(path, headers=admin).status_code == 422
    assert server.delete("/admin/api-keys/a%00b", headers=admin).status_code == 422


def test_pages_hold_every_recording_once_newest_first(server: Client, admin: dict[str, str]) -> None:
    for number in range(5):
        server.post(STARTED, headers=admin, json={"recordingId": f"r{number}"})

    seen, cursor = [], None
    while cursor is not None or not seen:
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = server.get("/api/recordings", headers=admin, params=query).json()
        seen += [found["recording_id"] for found in page["recordings"]]
        cursor = page["next_cursor"]

    assert seen == ["r4", "r3", "r2", "r1", "r0"]


def test_pages_of_events_go_on_where_the_last_one_ended(server: Client, admin: dict[str, str]) -> None:
    for _ in range(3):
        server.post(STARTED, headers=admin, json={"recordingId": "r1"})

    first = server.get("/api/recordings/r1/events?limit=2", headers=admin).json()
    second = server.get(
        f"/api/recordings/r1/events?limit=2&cursor={first['next_cursor']}", headers=admin
    ).json()

    assert (len(first["events"]), len(second["events"])) == (2, 1)
    assert second["next_cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=1000", "limit=x", "cursor=x", "unknown=1"])
def test_a_wrong_query_is_refused(server: Client, admin: dict[str, str], query: str) -> None:
    assert server.get(f"/api/recordings?{query}", headers=admin).status_code == 422


def test_the_word_form_of_an_event_is_the_same(server: Client, admin: dict[str, str]) -> None:
    body = {"recordingId": "r1", "event": "Recording Started"}
    assert server.post(STARTED, headers=admin, json=body).status_code == 200
    assert server.post(STARTED, headers=admin, json={**body, "event": "x"}).status_code == 422
