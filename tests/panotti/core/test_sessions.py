"""Browser sessions: new at login, over at logout everywhere, and bound to their CSRF token."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx
import pytest

from tests.panotti.conftest import Shared
from tests.panotti.core.client import ORIGIN, Client
from tests.panotti.core.conftest import SECRETS, Serve

NAME = "__Host-panotti_session"
PASSWORD = "correct horse battery"
WRITE = ("/api/recording-started", {"recordingId": "r1"})


def add_user(server: Client, username: str = "ada", role: str = "writer") -> None:
    body = {"username": username, "password": PASSWORD, "role": role, "tenant": "acme"}
    reply = server.post("/admin/users", headers={"X-API-Key": SECRETS.api_key}, json=body)
    assert reply.status_code == 201, reply.text


def login(server: Client, username: str = "ada", **headers: str) -> tuple[dict[str, str], str]:
    """The Cookie header and the CSRF token of a new session."""
    body = {"username": username, "password": PASSWORD}
    reply = server.post("/auth/login", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return {"Cookie": reply.headers["set-cookie"].partition(";")[0]}, reply.json()["csrf_token"]


def write(server: Client, *headers: dict[str, str]) -> httpx.Response:
    merged = {name: value for part in headers for name, value in part.items()}
    return server.post(WRITE[0], headers=merged, json=WRITE[1])


@pytest.fixture
def ready(server: Client) -> Client:
    add_user(server)
    return server


def test_the_cookie_is_host_bound_and_out_of_reach(ready: Client) -> None:
    reply = ready.post("/auth/login", json={"username": "ada", "password": PASSWORD})

    cookie, *attributes = reply.headers["set-cookie"].split("; ")
    assert cookie.startswith(f"{NAME}=")
    assert len(cookie.partition("=")[2]) >= 43
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"} <= set(attributes)
    assert not any(attribute.startswith("Domain") for attribute in attributes)


@pytest.mark.parametrize(("username", "password"), [("ada", "wrong"), ("nobody", PASSWORD)])
def test_a_wrong_login_has_one_answer(ready: Client, username: str, password: str) -> None:
    reply = ready.post("/auth/login", json={"username": username, "password": password})

    assert reply.status_code == 401
    assert reply.json()["detail"] == "A valid credential is required."
    assert "set-cookie" not in reply.headers


def test_a_session_says_whose_it_is(ready: Client) -> None:
    cookie, csrf = login(ready)

    who = ready.get("/auth/session", headers=cookie).json()

    assert who == {
        "principal": "ada",
        "tenant": "acme",
        "role": "writer",
        "credential": "session",
        "csrf_token": csrf,
    }


def test_a_login_makes_a_new_id_and_ends_the_old_one(ready: Client) -> None:
    old, _ = login(ready)

    new, _ = login(ready, **old)

    assert old != new
    assert ready.get("/auth/session", headers=old).status_code == 401
    assert ready.get("/auth/session", headers=new).status_code == 200


def test_an_id_chosen_by_somebody_else_is_never_taken(ready: Client) -> None:
    planted = {"Cookie": f"{NAME}=pns_planted"}

    login(ready, **planted)

    assert ready.get("/auth/session", headers=planted).status_code == 401


def test_two_session_cookies_are_none(ready: Client) -> None:
    cookie, _ = login(ready)

    doubled = {"Cookie": f"{cookie['Cookie']}; {NAME}=other"}

    assert ready.get("/auth/session", headers=doubled).status_code == 401


def test_a_logout_ends_the_session_on_every_server(serve: Serve) -> None:
    one, other = serve(), serve()
    add_user(one)
    cookie, csrf = login(one)
    assert other.get("/auth/session", headers=cookie).status_code == 200

    reply = one.post("/auth/logout", headers={**cookie, "X-CSRF-Token": csrf})

    assert reply.status_code == 204
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert other.get("/auth/session", headers=cookie).status_code == 401


def test_a_logout_everywhere_ends_all_of_ones_own(ready: Client) -> None:
    add_user(ready, "bob")
    sessions = [login(ready) for _ in range(3)]
    bystander, _ = login(ready, "bob")

    cookie, csrf = sessions[0]
    assert ready.post("/auth/logout-all", headers={**cookie, "X-CSRF-Token": csrf}).status_code == 204

    assert [ready.get("/auth/session", headers=kept).status_code for kept, _ in sessions] == [401] * 3
    assert ready.get("/auth/session", headers=bystander).status_code == 200


def test_a_logout_needs_a_session(ready: Client) -> None:
    assert ready.post("/auth/logout", headers={"X-API-Key": SECRETS.api_key}).status_code == 403


def test_a_change_needs_the_sessions_own_csrf_token(ready: Client) -> None:
    cookie, csrf = login(ready)
    _, others = login(ready)

    assert write(ready, cookie).status_code == 403
    assert write(ready, cookie, {"X-CSRF-Token": others}).status_code == 403
    assert write(ready, cookie, {"X-CSRF-Token": ""}).status_code == 403
    assert ready.get("/api/recordings", headers=cookie).json()["recordings"] == []
    assert write(ready, cookie, {"X-CSRF-Token": csrf}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (ORIGIN, 200),
        ("https://app.example", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://panotti.test", 403),
    ],
)
def test_a_change_must_come_from_a_listed_or_the_own_origin(serve: Serve, origin: str, status: int) -> None:
    server = serve(cors_origins=("https://app.example", "*"))
    add_user(server)
    cookie, csrf = login(server)

    assert write(server, cookie, {"X-CSRF-Token": csrf, "Origin": origin}).status_code == status
    reply = server.post(
        "/auth/login", json={"username": "ada", "password": PASSWORD}, headers={"Origin": origin}
    )
    assert reply.status_code == status


def test_two_origins_are_none(ready: Client) -> None:
    cookie, csrf = login(ready)
    headers = [("Origin", ORIGIN), ("Origin", ORIGIN), ("X-CSRF-Token", csrf), *cookie.items()]

    assert ready.post(WRITE[0], headers=headers, json=WRITE[1]).status_code == 403


def test_an_api_key_needs_no_csrf_token_even_beside_a_cookie(ready: Client) -> None:
    cookie, _ = login(ready)

    assert write(ready, cookie, {"X-API-Key": SECRETS.api_key}).status_code == 200


def test_an_idle_session_ends(ready: Client, tmp_path: Path, backend: Shared | None) -> None:
    cookie, _ = login(ready)
    _backdate(backend, tmp_path, "last_seen_at", 901)

    assert ready.get("/auth/session", headers=cookie).status_code == 401


def test_a_session_in_use_does_not_become_idle(ready: Client, tmp_path: Path, backend: Shared | None) -> None:
    cookie, _ = login(ready)
    for _ in range(2):
        _backdate(backend, tmp_path, "last_seen_at", 600)
        assert ready.get("/auth/session", headers=cookie).status_code == 200


def test_a_session_in_use_ends_at_its_absolute_age(
    ready: Client, tmp_path: Path, backend: Shared | None
) -> None:
    cookie, _ = login(ready)
    _backdate(backend, tmp_path, "created_at", 28_801)

    assert ready.get("/auth/session", headers=cookie).status_code == 401


def test_the_database_holds_neither_id_nor_password(ready: Client, tmp_path: Path) -> None:
    cookie, _ = login(ready)

    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())

    assert cookie["Cookie"].partition("=")[2].encode() not in stored
    assert PASSWORD.encode() not in stored


def _backdate(backend: Shared | None, folder: Path, column: str, seconds: int) -> None:
    statement = f"UPDATE sessions SET {column} = {column} - {seconds}"
    if backend is not None:
        backend.sql(statement)
        if column == "last_seen_at":
            backend.age_sessions(seconds)
        return
    with sqlite3.connect(folder / "panotti.db", isolation_level=None) as connection:
        connection.execute(statement)
    connection.close()
