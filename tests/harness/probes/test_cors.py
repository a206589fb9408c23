from __future__ import annotations

import pytest

from harness.outcome import NotApplicable
from harness.probes.cors import (
    FOREIGN,
    lets_read,
    lets_send,
    listed_origin,
    lookalikes,
    methods_of,
    varies_by_origin,
)
from harness.probes.reply import Headers, Reply

ORIGIN = "https://app.example.test"


def answer(status=204, **fields):
    prefix = "Access-Control-Allow-"
    return Reply(status=status, headers=Headers([(prefix + name, value) for name, value in fields.items()]))


def test_an_answer_may_be_read_on_the_origin_that_it_names():
    assert lets_read(answer(Origin=ORIGIN), ORIGIN)
    assert not lets_read(answer(Origin=ORIGIN), FOREIGN)
    assert not lets_read(answer(), ORIGIN)


def test_two_origins_are_none():
    reply = Reply(status=200, headers=Headers([("Access-Control-Allow-Origin", ORIGIN)] * 2))

    assert not lets_read(reply, ORIGIN)


def test_with_credentials_a_star_is_none_and_only_true_is_true():
    assert lets_read(answer(Origin="*"), ORIGIN)
    assert not lets_read(answer(Origin="*", Credentials="true"), ORIGIN, credentials=True)
    assert not lets_read(answer(Origin=ORIGIN), ORIGIN, credentials=True)
    assert not lets_read(answer(Origin=ORIGIN, Credentials="True"), ORIGIN, credentials=True)
    assert lets_read(answer(Origin=ORIGIN, Credentials="true"), ORIGIN, credentials=True)


@pytest.mark.parametrize(
    ("methods", "method", "credentials", "sent"),
    [
        ("GET, PUT", "PUT", False, True),
        ("GET,PUT", "DELETE", False, False),
        ("", "POST", False, True),
        ("PUT", "put", False, False),
        ("*", "DELETE", False, True),
        ("*", "DELETE", True, False),
    ],
)
def test_a_method_is_sent_if_listed_safelisted_or_any_is(methods, method, credentials, sent):
    reply = answer(Origin=ORIGIN, Credentials="true", Methods=methods)

    assert lets_send(reply, ORIGIN, method, credentials=credentials) is sent


@pytest.mark.parametrize(
    ("names", "name", "credentials", "sent"),
    [
        ("X-API-Key, Content-Type", "x-api-key", True, True),
        ("X-API-Key", "x-evil", False, False),
        ("*", "x-evil", False, True),
        ("*", "x-evil", True, False),
        ("*", "authorization", False, False),
    ],
)
def test_a_header_is_sent_if_listed_or_any_is(names, name, credentials, sent):
    reply = answer(Origin=ORIGIN, Credentials="true", Headers=names)

    assert lets_send(reply, ORIGIN, "GET", [name], credentials=credentials) is sent


def test_a_policy_without_origins_asks_for_no_grant():
    assert listed_origin([ORIGIN, FOREIGN]) == ORIGIN
    with pytest.raises(NotApplicable, match="lists no origin"):
        listed_origin([])


def test_methods_keep_their_case():
    assert methods_of(answer(Methods="GET,  put , ")) == {"GET", "put"}


def test_a_preflight_that_failed_lets_nothing_be_sent():
    assert not lets_send(answer(403, Origin=ORIGIN), ORIGIN, "GET")
    assert not lets_send(Reply(status=0), ORIGIN, "GET")


def test_vary_names_the_origin_in_any_case_or_everything():
    for value, varies in (("Accept, origin", True), ("*", True), ("X-Origin", False), ("", False)):
        assert varies_by_origin(Reply(status=200, headers=Headers([("Vary", value)]))) is varies


@pytest.mark.parametrize("origin", [ORIGIN, "http://localhost:3000", "http://127.0.0.1:3000"])
def test_lookalikes_are_many_distinct_sendable_and_never_the_origin(origin):
    values = lookalikes([origin])

    assert origin not in values
    assert len(values) == len(set(values)) > 60
    assert all(value.isascii() and value.isprintable() and value == value.strip() for value in values)


def test_a_lookalike_of_one_that_is_listed_itself_is_none():
    assert "https://example.test" in lookalikes([ORIGIN])
    assert "https://example.test" not in lookalikes([ORIGIN, "https://example.test"])


def test_lookalikes_hold_the_tricks_that_scanners_know():
    values = set(lookalikes([ORIGIN]))

    assert {
        "http://app.example.test",
        "https://app.example.test:8443",
        "https://evilapp.example.test",
        "https://app.example.test.evil.example",
        "https://appxexample.test",
        "https://app.example.test.",
        "https://app.example.test@evil.example",
        "https://app.example.test_.evil.example",
        "https://app.example.test`.evil.example",
        "HTTPS://APP.EXAMPLE.TEST",
    } <= values
