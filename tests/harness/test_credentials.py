from __future__ import annotations

import json
import threading

import pytest

from harness.capabilities import Administration, Capabilities, Recordings, Sessions, Tokens
from harness.contract import Contract
from harness.credentials import Credentials, key_in, tokens_in
from harness.outcome import Absent, NotVerified
from harness.probes.http import HttpProbe
from harness.probes.reply import Reply
from harness.redaction import VAULT

FULL = Contract(
    name="little",
    capabilities=Capabilities(
        administration=Administration(api_keys="/admin/api-keys", users="/admin/users"),
        tokens=Tokens(issue="/auth/token"),
        sessions=Sessions(login="/auth/login", cookie="__Host-panotti_session"),
        recordings=Recordings(started="/api/recording-started", ended="/api/recording-ended"),
    ),
)
BARE = Contract(name="bare")


@pytest.fixture
def make(plain):
    http = HttpProbe(plain)
    yield lambda contract=FULL: Credentials(http, contract, plain.api_key)
    http.close()


def key_sent(request):
    return dict(map(tuple, request["headers"])).get("x-api-key")


def test_every_key_is_fresh_and_hidden(make, recorder):
    credentials = make()
    one, two = credentials.key("reader"), credentials.key("writer", "tenant-b")

    assert one.value != two.value
    assert (one.role, two.role, two.tenant) == ("reader", "writer", "tenant-b")
    assert one.id
    assert one.value not in repr(one)
    assert VAULT.text(one.value) == "$READER_KEY"


def test_making_a_key_is_no_evidence(make, recorder):
    make().key()

    assert recorder.total == 0


def test_keys_are_issued_by_administrators_of_their_tenant_in_turn(make, little, plain):
    credentials = make()
    for _ in range(45):
        credentials.key(tenant="tenant-b")

    made = [(key_sent(request), json.loads(request["body"])) for request in little.seen]
    issued_by = [key for key, body in made if body["role"] == "writer"]
    assert [key for key, _ in made].count(plain.api_key) == 1
    assert max(issued_by.count(key) for key in set(issued_by)) <= 20
    assert {body["tenant"] for _, body in made} == {"tenant-b"}


def test_a_key_is_asked_for_again_where_a_server_fails_now_and_then(make, little):
    usual, asked = little._answer, []

    def answer(request, number):
        asked.append(request)
        return (500, {}, []) if len(asked) % 2 else usual(request, number)

    little._answer = answer

    assert make().key("reader").value
    assert len(asked) == 4, "two keys, the administrator's before it"


def test_keys_may_be_made_at_the_same_time(make):
    credentials = make()
    values: list[str] = []
    threads = [threading.Thread(target=lambda: values.append(credentials.key().value)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(values)) == 8


def test_without_administration_the_first_key_stands_for_whom_it_can(make, plain):
    credentials = make(BARE)

    assert credentials.key("writer").value == plain.api_key
    assert credentials.key("admin").value == plain.api_key
    for role, tenant in (("reader", "tenant-a"), ("writer", "tenant-b")):
        with pytest.raises(Absent, match="administration"):
            credentials.key(role, tenant)


@pytest.mark.parametrize("name", ["user", "tokens", "login", "recording"])
def test_what_the_contract_does_not_name_is_absent(make, name):
    with pytest.raises(Absent):
        getattr(make(BARE), name)()


def test_a_session_is_logged_in_with_its_cookie_and_token(make, little):
    session = make().login()

    assert session.name == "__Host-panotti_session"
    assert session.cookie.endswith("-value")
    assert session.csrf.startswith("csrf-")
    assert "HttpOnly" in session.set_cookie
    sent = json.loads(little.seen[-1]["body"])
    assert VAULT.text(sent["password"]) == "$PASSWORD"


def test_tokens_are_issued_and_hidden(make):
    tokens = make().tokens()

    assert tokens.expires_in == 60
    assert VAULT.text(tokens.refresh) == "$REFRESH_TOKEN"
    assert "eyJ" not in VAULT.text(tokens.access)


def test_a_recording_is_begun(make, little):
    assert make().recording(recording_id="rec-1") == "rec-1"
    assert make().recording().startswith("rec-")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("key", "/admin/api-keys"),
        ("user", "/admin/users"),
        ("tokens", "/auth/token"),
        ("login", "/auth/login"),
    ],
)
def test_a_target_that_refuses_gives_no_verdict(make, little, recorder, name, path):
    little.answers["POST", path] = (401, {"detail": "no"})
    with pytest.raises(NotVerified, match="answered 401"):
        getattr(make(), name)()

    assert recorder.total >= 1


@pytest.mark.parametrize(
    ("name", "path", "reason"),
    [
        ("key", "/admin/api-keys", "no key"),
        ("tokens", "/auth/token", "no access token"),
        ("login", "/auth/login", "no cookie"),
    ],
)
def test_an_odd_answer_gives_no_verdict(make, little, name, path, reason):
    little.answers["POST", path] = (200, b"<html>")
    with pytest.raises(NotVerified, match=reason):
        getattr(make(), name)()


def test_answers_are_read_for_credentials_of_a_checks_own(make):
    assert tokens_in(Reply(status=200, body=b'{"access_token":"an-access","expires_in":"x"}')).expires_in == 0
    assert key_in(Reply(status=201, body=b'{"id":"1","key":"a-rotated-key"}'), role="reader").id == "1"


MANAGED = Contract(
    name="managed",
    capabilities=Capabilities(
        administration=Administration(
            api_keys="/admin/api-keys",
            key="/admin/api-keys/{key_id}",
            rotate="/admin/api-keys/{key_id}/rotate",
        )
    ),
)


class TestManaging:
    def test_a_key_is_revoked_by_an_administrator_of_its_tenant(self, make, little):
        credentials = make(MANAGED)
        key = credentials.key(tenant="tenant-b")
        little.answers["DELETE", f"/admin/api-keys/{key.id}"] = (204, b"")

        credentials.revoke(key)

        asked = little.seen[-1]
        made_by = next(r for r in little.seen if '"writer"' in r["body"])
        assert (asked["method"], asked["path"]) == ("DELETE", f"/admin/api-keys/{key.id}")
        assert key_sent(asked) == key_sent(made_by) != key.value

    def test_one_that_cannot_be_revoked_leaves_the_check_undecided(self, make, little):
        credentials = make(MANAGED)
        key = credentials.key()
        little.answers["DELETE", f"/admin/api-keys/{key.id}"] = (503, {})

        with pytest.raises(NotVerified, match="could not be revoked: the target answered 503"):
            credentials.revoke(key)

    def test_a_successor_stands_for_the_same_principal_and_is_hidden(self, make, little):
        credentials = make(MANAGED)
        key = credentials.key("reader", "tenant-b")
        little.answers["POST", f"/admin/api-keys/{key.id}/rotate"] = (
            201,
            {"id": "next", "key": "the-successor-of-the-key-0123456789"},
        )

        successor = credentials.rotate(key)

        assert (successor.id, successor.role, successor.tenant) == ("next", "reader", "tenant-b")
        assert successor.principal == key.principal
        assert VAULT.text(successor.value) == "$READER_KEY"

    def test_a_refused_rotation_leaves_the_check_undecided(self, make, little):
        credentials = make(MANAGED)
        key = credentials.key()
        little.answers["POST", f"/admin/api-keys/{key.id}/rotate"] = (409, {})

        with pytest.raises(NotVerified, match="409"):
            credentials.rotate(key)

    def test_a_contract_without_them_is_absent(self, make):
        credentials = make()
        key = credentials.key()

        for manage in (credentials.revoke, credentials.rotate):
            with pytest.raises(Absent):
                manage(key)
