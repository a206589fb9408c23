"""What every answer carries, and what the log says of it."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def server(start_shared):
    return start_shared()


def test_an_error_is_a_problem_document_with_the_id_of_the_request(server):
    reply = server.call("/refuse", "X-Request-ID: caller-0001")

    assert reply.status == 409
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-extra"] == "1"
    assert reply.json == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "taken",
        "request_id": "caller-0001",
    }


def test_an_unhandled_exception_is_logged_once_and_told_to_nobody(start):
    server = start()

    reply = server.call("/boom")
    identity = reply.headers["x-request-id"]

    assert (reply.status, reply.json["detail"]) == (500, "Internal Server Error")
    line = server.logged(event="exception", request_id=identity)
    assert "RuntimeError" in line["traceback"]
    assert "eyJ" not in line["traceback"]
    server.logged(event="request", request_id=identity, status=500)
    server.stop()
    assert len(server.events("exception")) == 1
    assert not server.events("library")


def test_an_answer_that_breaks_off_is_cut_and_logged_as_500(server):
    connection = server.connect()

    connection.send(b"GET /half HTTP/1.1\r\nHost: localhost\r\n\r\n")

    assert not connection.rest().endswith(b"0\r\n\r\n")
    server.logged(event="request", route="/half", status=500)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("good.id_1-2", True),
        ("a" * 64, True),
        ("short", False),
        ("a" * 65, False),
        ("with space", False),
        ('quote"12345', False),
    ],
)
def test_a_request_id_is_kept_only_if_it_is_well_formed(server, given, kept):
    identity = server.call("/ok", f"X-Request-ID: {given}").headers["x-request-id"]

    assert (identity == given) is kept
    server.logged(event="request", request_id=identity)


def test_two_request_ids_are_none(server):
    reply = server.call("/ok", "X-Request-ID: first-one-1", "X-Request-ID: second-one-2")

    assert reply.headers["x-request-id"] not in ("first-one-1", "second-one-2")


def test_the_request_line_has_every_field(server):
    server.call("/ok", "X-Test-Key: k", "X-Request-ID: line-0001")

    line = server.logged(event="request", request_id="line-0001")
    assert list(line)[:3] == ["ts", "level", "event"]
    assert line["ts"].endswith("Z")
    assert line["duration_ms"] > 0
    expected = {"method": "GET", "route": "/ok", "status": 200, "client": "127.0.0.1", "principal": "device"}
    assert expected.items() <= line.items()
    assert line["slow"] is False
    assert line["worker"] in server.pids(1)


def test_a_request_over_the_threshold_is_marked_slow(start):
    server = start(slow_request_ms=0.001)

    server.call("/ok")

    assert server.logged(event="request", route="/ok")["slow"] is True


def test_a_client_that_leaves_is_logged_with_499(start):
    server = start()
    connection = server.connect()
    connection.send(b"GET /gate HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: leaver-0001\r\n\r\n")
    server.logged(event="at_the_gate", request_id="leaver-0001")

    connection.close()
    # The same worker answers this after it has seen the close.
    server.call("/ok")
    server.gate.touch()

    assert server.logged(event="request", request_id="leaver-0001")["status"] == 499


def test_a_client_that_leaves_amid_its_body_is_logged_with_499(server):
    connection = server.connect()
    connection.send(
        b"POST /ok HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: leaver-0002\r\nContent-Length: 10\r\n\r\n123"
    )

    connection.close()

    assert server.logged(event="request", request_id="leaver-0002")["status"] == 499


def test_the_security_headers_are_on_every_answer_and_no_server_is_named(server):
    for path in ("/ok", "/refuse", "/boom"):
        headers = server.call(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in headers
        assert "strict-transport-security" not in headers


def test_many_processes_write_whole_lines(start):
    server = start(workers=3)
    server.pids(3)

    for _ in range(40):
        server.call("/boom")
    server.stop()

    lines = server.log.read_bytes().splitlines()
    assert sum(json.loads(line)["event"] == "exception" for line in lines) == 40
    assert max(map(len, lines)) < 4096
