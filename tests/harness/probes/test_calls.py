from __future__ import annotations

import json

import pytest

from harness.capabilities import Administration, Capabilities, Description, Recordings, Sessions, Tokens
from harness.contract import Contract
from harness.credentials import Credentials
from harness.outcome import Absent, NotVerified
from harness.probes.calls import Calls
from harness.probes.http import HttpProbe
from harness.probes.openapi import OpenApiProbe

CONTRACT = Contract(
    name="little",
    capabilities=Capabilities(
        recordings=Recordings(started="/api/recording-started", ended="/api/recording-ended"),
        tokens=Tokens(issue="/auth/token", refresh="/auth/refresh"),
        sessions=Sessions(login="/auth/login", cookie="__Host-panotti_session", logout="/auth/logout"),
        administration=Administration(api_keys="/admin/api-keys", users="/admin/users"),
        description=Description(path="/openapi.json"),
    ),
)


@pytest.fixture
def calls(plain):
    http = HttpProbe(plain)
    yield Calls(CONTRACT, Credentials(http, CONTRACT, plain.api_key))
    http.close()


def test_a_caller_in_a_role_keeps_its_credential(calls):
    first = calls.make("POST /api/recording-started", "writer", "key")
    second = calls.make("POST /api/recording-ended", "writer", "key")

    assert first.options["key"] is second.options["key"]
    assert first.options["key"].role == "writer"
    assert first.options["json"]["recordingId"] != second.options["json"]["recordingId"]
    assert calls.make("POST /api/recording-started", "anonymous", "key").options.keys() == {"json"}


def test_a_route_that_ends_sessions_gets_one_of_its_own(calls):
    route, other = "POST /auth/logout", "GET /api/recordings"
    ended = [calls.make(route, "admin", "session").options["session"].value for _ in range(2)]
    kept = [calls.make(other, "admin", "session").options["session"].value for _ in range(2)]

    assert len({*ended, *kept}) == 3
    assert kept[0] == kept[1]


def test_places_in_a_path_are_filled_with_objects_that_exist(calls):
    one, two = (calls.make("DELETE /admin/api-keys/{key_id}", "admin", "key") for _ in range(2))
    read = calls.make("GET /api/recordings/{recording_id}", "reader", "token")

    assert one.path != two.path
    assert one.path.startswith("/admin/api-keys/key-")
    assert read.path.startswith("/api/recordings/rec-")
    assert read.options["token"].access


def test_a_description_is_read_from_its_path(plain, little):
    little.answers["GET", "/openapi.json"] = (
        200,
        {"paths": {"/a": {"get": {}, "post": {}, "parameters": []}}},
    )
    http = HttpProbe(plain)
    assert OpenApiProbe(plain, http, CONTRACT).routes == {"GET /a", "POST /a"}
    http.close()


def test_a_description_that_is_not_served_is_printed_by_its_command(plain, little):
    little.answers["GET", "/openapi.json"] = (404, {})
    http = HttpProbe(plain)
    document = json.dumps({"paths": {"/b": {"delete": {}}}})

    def printed(code):
        description = Description(path="/openapi.json", command=("python", "-c", code))
        return OpenApiProbe(
            plain, http, Contract(name="b", capabilities=Capabilities(description=description))
        )

    assert printed(f"print({document!r})").routes == {"DELETE /b"}
    with pytest.raises(NotVerified, match="no JSON"):
        _ = printed("print('nothing')").routes
    with pytest.raises(AssertionError, match="status 3"):
        _ = printed("raise SystemExit(3)").routes
    with pytest.raises(NotVerified, match="names no command"):
        _ = OpenApiProbe(plain, http, CONTRACT).routes
    with pytest.raises(Absent):
        _ = OpenApiProbe(plain, http, Contract(name="none")).routes
    http.close()
