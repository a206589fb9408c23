"""What a connection may do: sizes, times, malformed bytes, and how many requests at once."""

from __future__ import annotations

import json
import threading

import pytest

HEAD = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
def site(start_shared):
    return start_shared(
        max_header_bytes=1024,
        header_timeout=0.5,
        body_timeout=0.5,
        keepalive_timeout=0.5,
        max_body_bytes=1000,
    )


def test_connections_are_kept_alive(site):
    connection = site.connect()

    for _ in range(3):
        connection.send(b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert connection.reply().status == 200


def test_pipelined_requests_are_answered_in_order(site):
    connection = site.connect()

    connection.send(
        b"GET /ok HTTP/1.1\r\n" + HEAD + b"X-Request-ID: first-one-1\r\n\r\n"
        b"GET /refuse HTTP/1.1\r\n" + HEAD + b"X-Request-ID: second-one-2\r\n\r\nGET /ok HT"
    )

    assert connection.reply().headers["x-request-id"] == "first-one-1"
    assert connection.reply().headers["x-request-id"] == "second-one-2"
    connection.send(b"TP/1.1\r\n" + HEAD + b"\r\n")
    assert connection.reply().status == 200


def test_an_idle_connection_is_closed_after_its_time(site):
    connection = site.connect()
    connection.send(b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n")
    connection.reply()

    assert connection.rest() == b""


def test_a_connection_that_says_nothing_is_closed(site):
    assert site.connect().rest() == b""


@pytest.mark.parametrize("before", [b"", b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n"])
def test_headers_that_do_not_end_are_cut_off_with_408(site, before):
    connection = site.connect()
    connection.send(before)
    if before:
        connection.reply()

    connection.send(b"GET /ok HTTP/1.1\r\nX-Slow: a")
    reply = connection.reply()

    assert reply.status == 408
    assert reply.headers["connection"] == "close"
    line = site.logged(event="request", request_id=reply.headers["x-request-id"])
    assert (line["status"], line["method"]) == (408, None)
    assert connection.rest() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET /ok HTTP/1.1\r\n" + HEAD + b"X-Large: " + b"a" * 1100 + b"\r\n\r\n",
        b"GET /ok HTTP/1.1\r\n" + HEAD + b"X-Endless: " + b"a" * 1100,
        b"GET /" + b"a" * 1100 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /ok HTTP/1.1\r\n" + HEAD + b"A: b\r\n" * 110 + b"\r\n",
    ],
)
def test_large_headers_are_refused_with_431(site, head):
    connection = site.connect()

    connection.send(head)
    reply = connection.reply()

    assert reply.status == 431
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    site.logged(event="request", request_id=reply.headers["x-request-id"], status=431)


def test_a_body_beside_small_headers_is_no_large_header(site):
    assert site.call("/ok", method="POST", body=b"a" * 990).json["length"] == 990


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
        b"GET /ok HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: abc\r\n\r\n",
        b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n",
        b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"CONNECT evil.example:443 HTTP/1.1\r\n" + HEAD + b"\r\n",
    ],
)
def test_what_is_not_http_gets_a_problem_that_names_no_software(site, bytes_):
    connection = site.connect()

    connection.send(bytes_)
    reply = connection.reply()

    assert reply.status == 400
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "server" not in reply.headers
    assert b"uvicorn" not in reply.body.lower()
    site.logged(event="request", request_id=reply.headers["x-request-id"], status=400)


def test_a_broken_chunk_ends_its_request_with_400_and_one_line(site):
    connection = site.connect()
    identity = "broken-chunk-1"

    connection.send(
        b"POST /ok HTTP/1.1\r\n"
        + HEAD
        + b"X-Request-ID: broken-chunk-1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n"
    )
    connection.send(b"zz\r\n")
    reply = connection.reply()

    assert (reply.status, reply.headers["connection"]) == (400, "close")
    assert site.logged(event="request", request_id=identity)["status"] == 400
    assert len([line for line in site.events("request") if line["request_id"] == identity]) == 1


def test_an_upgrade_nobody_offers_is_an_ordinary_request_and_does_not_hold_the_connection(site):
    connection = site.connect()

    connection.send(b"GET /ok HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

    assert connection.reply().status == 200
    connection.send(b"GET /ok HTTP/1.1\r\n")
    connection.rest()


def test_a_large_body_is_refused_before_it_is_sent(site):
    connection = site.connect()

    connection.send(b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n")

    assert connection.reply().status == 413


def test_a_large_chunked_body_is_refused_before_it_is_whole(site):
    connection = site.connect()
    connection.send(b"POST /ok HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")

    for _ in range(11):
        connection.send(b"64\r\n" + b"a" * 100 + b"\r\n")

    reply = connection.reply()
    assert reply.status == 413
    assert reply.json["title"] == "Content Too Large"


def test_after_413_the_rest_is_thrown_away_and_the_connection_goes_on(site):
    connection = site.connect()
    connection.send(b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: 300000\r\n\r\n" + b"a" * 200000)
    assert connection.reply().status == 413

    connection.send(b"a" * 100000 + b"GET /ok HTTP/1.1\r\n" + HEAD + b"\r\n")

    assert connection.reply().status == 200
    assert connection.rest() == b""


def test_a_body_that_goes_on_after_its_answer_is_cut(site):
    connection = site.connect()
    connection.send(b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000000\r\n\r\n")
    assert connection.reply().status == 413

    assert connection.rest() == b""


def test_a_body_up_to_the_limit_is_taken_in_any_framing(site):
    chunks = site.connect()
    chunks.send(b"POST /ok HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunks.send(b"1f4\r\n" + b"a" * 500 + b"\r\n")
    chunks.send(b"1f4\r\n" + b"a" * 500 + b"\r\n0\r\n\r\n")

    assert chunks.reply().json["length"] == 1000
    assert site.call("/ok", method="POST", body=b"a" * 1000).json["length"] == 1000


def test_a_slow_body_is_cut_off_with_408(site):
    connection = site.connect()
    connection.send(b"POST /ok HTTP/1.1\r\n" + HEAD + b"Content-Length: 10\r\n\r\nabc")

    reply = connection.reply()

    assert (reply.status, reply.headers["connection"]) == (408, "close")
    assert connection.rest() == b""


def test_over_the_concurrency_limit_the_answer_is_503_at_once(start):
    site = start(max_concurrency=2)
    waiting = [site.connect(), site.connect()]
    for number, connection in enumerate(waiting):
        connection.send(b"GET /gate HTTP/1.1\r\n" + HEAD + b"X-Request-ID: waiting-%d\r\n" % number)
        connection.send(b"X-Test-Key: %d\r\n\r\n" % number)
        site.logged(event="at_the_gate", request_id=f"waiting-{number}")

    refused = site.call()
    live = site.call("/health/live")
    site.gate.touch()

    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert json.loads(refused.body)["title"] == "Service Unavailable"
    assert live.status == 200
    assert [connection.reply().status for connection in waiting] == [200, 200]
    assert site.call().status == 200


def test_a_request_in_hand_is_not_disturbed_by_the_next_ones_head(start):
    site = start(header_timeout=0.3)
    connection = site.connect()
    connection.send(b"GET /gate HTTP/1.1\r\n" + HEAD + b"\r\nGET /ok HTTP/1.1\r\nX-Half: ")
    site.logged(event="at_the_gate")

    # A second connection whose head is late shows that the time for heads has passed.
    assert site.connect().rest() == b""
    threading.Thread(target=site.gate.touch).start()

    assert connection.reply().status == 200
    assert connection.reply().status == 408


def holding(server, *headers, path="/ok"):
    """A connection whose request waits for its body, or was refused; and what it was answered."""
    connection = server.connect()
    lines = "".join(
        f"{line}\r\n" for line in (*headers, "Content-Length: 3", "Expect: 100-continue")
    ).encode()
    connection.send(f"POST {path} HTTP/1.1\r\n".encode() + HEAD + lines + b"\r\n")
    return connection, connection.reply()


def test_who_holds_bodies_back_leaves_places_for_the_others(start):
    server = start(max_concurrency=8, trusted_proxies="127.0.0.1")
    first, second, third = (f"X-Forwarded-For: 192.0.2.{number}" for number in (1, 2, 3))

    held = [holding(server, client) for client in (first, first, second, second)]
    refused = [holding(server, client)[1] for client in (first, second, third)]
    keyed = [holding(server, first, "X-Test-Key: one") for _ in range(3)]
    live = holding(server, third, path="/health/live")[1], server.call("/health/live", third)
    other = holding(server, first, "X-Test-Key: other")
    working = server.call("/gate", first)

    assert [reply.status for _, reply in held] == [100] * 4
    assert [(reply.status, reply.headers["retry-after"]) for reply in refused] == [(503, "1")] * 3
    assert [reply.status for _, reply in keyed] == [100, 100, 100]
    assert [reply.status for reply in live] == [503, 200]
    assert other[1].status == 100
    assert working.status == 503
    for connection, _ in (*held, *keyed, other):
        connection.send(b"abc")
        assert connection.reply().json["length"] == 3
    assert holding(server, third)[1].status == 100
