from __future__ import annotations

import pytest

from harness.probes.message import compose, parse


def whole(data, **options):
    found = parse(data, **options)
    assert found is not None
    return found


def test_a_request_is_written_as_told():
    request = compose("PoSt", "/a", headers=[("x-B", "1"), ("X-b", b"\xff")], content="abc")

    assert (
        request.encode("h:1")
        == b"PoSt /a HTTP/1.1\r\nHost: h:1\r\nx-B: 1\r\nX-b: \xff\r\nContent-Length: 3\r\n\r\nabc"
    )


def test_a_host_and_a_length_that_are_given_are_not_added():
    request = compose(
        "POST", "/", headers={"host": "evil", "Transfer-Encoding": "chunked"}, content=b"0\r\n\r\n"
    )

    assert (
        request.encode("h") == b"POST / HTTP/1.1\r\nhost: evil\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )


def test_a_json_body_leaves_a_given_content_type_alone():
    request = compose("POST", "/", json=[], headers={"content-type": "text/plain"})

    assert [name for name, _ in request.fields] == ["content-type"]
    assert request.content == b"[]"


def test_an_answer_with_a_length_ends_there():
    reply, used = whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nokHTTP/1.1")

    assert (reply.status, reply.body, reply.headers["a"], used) == (200, b"ok", "b", 46)


def test_an_interim_answer_is_passed_over():
    reply, _ = whole(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")

    assert reply.status == 204


def test_a_chunked_answer_is_put_together():
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    reply, used = whole(data)

    assert (reply.body, used) == (b"abcde", len(data))


@pytest.mark.parametrize("cut", range(1, 71, 3))
def test_an_answer_on_its_way_is_not_there_yet(cut):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

    assert parse(data[: len(data) - cut]) is None


def test_an_answer_without_a_length_ends_with_the_connection():
    data = b"HTTP/1.1 200 OK\r\n\r\nall of it"

    assert parse(data) is None
    assert whole(data, ended=True)[0].body == b"all of it"


def test_an_answer_to_head_has_no_body():
    assert whole(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", method="HEAD")[0].body == b""


def test_what_is_no_http_is_no_answer():
    assert parse(b"SSH-2.0-x\r\n\r\n", ended=True) is None
    assert parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ended=True) is None
    assert whole(b"HTTP/1.1 abc\r\n\r\n", ended=True)[0].status == 999
