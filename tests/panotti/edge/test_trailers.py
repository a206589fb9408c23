"""What follows a body in chunks: it becomes no header, and there is no end of it in memory."""

from __future__ import annotations

import pytest

CHUNKED = b"Host: localhost\r\nTransfer-Encoding: chunked\r\n"
BODY = b"3\r\nabc\r\n0\r\n"


@pytest.fixture(scope="module")
def site(start_shared):
    return start_shared(
        trusted_proxies="127.0.0.1", ip_deny="203.0.113.9", max_header_bytes=1024, body_timeout=30
    )


def post(*headers: bytes, path: bytes = b"/ok") -> bytes:
    return (
        b"POST " + path + b" HTTP/1.1\r\n" + CHUNKED + b"".join(line + b"\r\n" for line in headers) + b"\r\n"
    )


@pytest.mark.parametrize("apart", [False, True])
def test_a_trailer_names_no_client(site, apart):
    connection = site.connect()
    head, rest = post(b"X-Forwarded-For: 192.0.2.1"), BODY + b"X-Forwarded-For: 198.51.100.7\r\n\r\n"

    for data in (head, rest) if apart else (head + rest,):
        connection.send(data)
    reply = connection.reply()

    assert reply.status == 200
    assert (reply.json["client"], reply.json["length"]) == ("192.0.2.1", 3)
    assert site.logged(event="request", request_id=reply.headers["x-request-id"])["client"] == "192.0.2.1"


def test_a_denied_client_stays_denied_whatever_its_trailer_says(site):
    connection = site.connect()

    connection.send(post(b"X-Forwarded-For: 203.0.113.9") + BODY + b"X-Forwarded-For: 198.51.100.7\r\n\r\n")

    assert connection.reply().status == 403


def test_the_next_request_on_the_connection_has_headers_again(site):
    connection = site.connect()

    connection.send(post() + BODY + b"X-Request-ID: trailer-0001\r\n\r\n")
    connection.send(post(b"X-Request-ID: header-0001") + BODY + b"\r\n")

    assert connection.reply().headers["x-request-id"] != "trailer-0001"
    assert connection.reply().headers["x-request-id"] == "header-0001"


@pytest.mark.parametrize(
    "endless", [b"0\r\n" + b"x: y\r\n" * 300, b"0\r\nx: " + b"y" * 1100, b"3;" + b"y" * 1100]
)
def test_trailers_and_extensions_larger_than_a_head_are_refused_with_431(site, endless):
    connection = site.connect()

    connection.send(post(b"X-Request-ID: trailers-431", b"Expect: 100-continue"))
    assert connection.reply().status == 100
    connection.send(endless)
    reply = connection.reply()

    assert (reply.status, reply.headers["connection"]) == (431, "close")
    assert connection.rest() == b""
    assert site.logged(event="request", request_id=reply.headers["x-request-id"])["status"] == 431


def test_a_body_in_many_small_chunks_is_no_large_trailer(site):
    connection = site.connect()
    connection.send(post())

    for _ in range(40):
        connection.send(b"1;extension=abcdefgh\r\na\r\n" * 10)
    connection.send(b"0\r\n\r\n")

    assert connection.reply().json["length"] == 400


def test_after_the_answer_bad_bytes_of_its_body_get_no_second_one(site):
    connection = site.connect()
    connection.send(post(b"X-Forwarded-For: 203.0.113.9"))
    assert connection.reply().status == 403

    connection.send(b"zz\r\n")

    assert connection.rest() == b""
