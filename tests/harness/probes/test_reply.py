from __future__ import annotations

import pytest

from harness.probes.reply import Headers, Reply

HEADERS = Headers([("Vary", "Origin, Accept"), ("X-A", "1"), ("x-a", "2")])


def test_names_are_found_in_any_case_and_repeated_fields_joined():
    assert "VARY" in HEADERS
    assert HEADERS["x-A"] == "1, 2"
    assert HEADERS.get_list("X-a") == ["1", "2"]
    assert list(HEADERS) == ["vary", "x-a"]
    assert HEADERS.members("vary") == {"origin", "accept"}
    assert "X-A" in repr(HEADERS)
    assert HEADERS.items()[0] == ("Vary", "Origin, Accept")


def test_a_header_that_must_be_there_fails_the_check_when_it_is_not():
    with pytest.raises(AssertionError, match="no header 'Retry-After'"):
        HEADERS["Retry-After"]

    assert HEADERS.get("Retry-After") == ""
    assert HEADERS.members("Retry-After") == set()


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1,2]", b'"text"', b'{"detail":"x"}', b"\xff"])
def test_an_odd_body_gives_nothing_and_raises_nothing(body):
    reply = Reply(status=200, body=body)

    assert reply.field("detail", 0, "loc") is None
    assert reply.string("detail", "x") == ""


def test_a_field_is_found_at_its_path():
    reply = Reply(status=422, body=b'{"detail":[{"loc":["body"]}],"type":"t"}')

    assert reply.field("detail", 0, "loc", -1) == "body"
    assert reply.string("type") == "t"
    assert reply.text.startswith("{")
    assert not reply.ok


def test_the_media_type_leaves_its_parameters_out():
    assert (
        Reply(status=200, headers=Headers([("content-type", "Text/HTML; charset=x")])).media_type
        == "text/html"
    )
