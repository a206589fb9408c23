"""Cross-origin requests, on the actual request, on errors and on preflights."""

from __future__ import annotations

import pytest

ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def site(start_shared):
    return start_shared(cors_origins=ORIGIN, cors_credentials="true")


@pytest.mark.parametrize("path", ["/ok", "/refuse", "/boom"])
def test_a_listed_origin_is_granted_on_answers_and_errors(site, path):
    reply = site.call(path, f"Origin: {ORIGIN}")

    assert reply.headers["access-control-allow-origin"] == ORIGIN
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert "X-Request-ID" in reply.headers["access-control-expose-headers"]
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://app.example.evil.example",
        "https://evilapp.example",
        "https://sub.app.example",
        "http://app.example",
        "https://app.example:8443",
        "HTTPS://APP.EXAMPLE",
        "https://app.example.",
        "https://user@app.example",
        "https://appxexample",
        "*",
    ],
)
def test_another_origin_gets_nothing_but_vary(site, origin):
    actual = site.call("/ok", f"Origin: {origin}")
    preflight = site.call("/ok", f"Origin: {origin}", "Access-Control-Request-Method: GET", method="OPTIONS")

    assert (actual.status, preflight.status) == (200, 403)
    for reply in (actual, preflight):
        assert "Origin" in reply.headers["vary"]
        assert not [name for name in reply.headers if name.startswith("access-control-")]


def test_two_origins_are_no_origin(site):
    reply = site.call("/ok", f"Origin: {ORIGIN}", f"Origin: {ORIGIN}")

    assert "access-control-allow-origin" not in reply.headers


def test_a_preflight_allows_exactly_what_is_listed(start):
    server = start(cors_origins=ORIGIN, cors_headers="X-API-Key,Content-Type", cors_max_age=300)

    def ask(method: str, headers: str = "x-api-key") -> object:
        return server.call(
            "/ok",
            f"Origin: {ORIGIN}",
            f"Access-Control-Request-Method: {method}",
            f"Access-Control-Request-Headers: {headers}",
            method="OPTIONS",
        )

    allowed = ask("POST", "content-type, X-Api-Key")
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-methods"] == "GET, POST"
    assert allowed.headers["access-control-allow-headers"] == "X-API-Key, Content-Type"
    assert allowed.headers["access-control-max-age"] == "300"
    assert ask("DELETE").status == 403
    assert ask("post").status == 403
    refused = ask("POST", "x-evil")
    assert refused.status == 403
    assert "access-control-allow-methods" not in refused.headers


def test_a_star_allows_any_origin_by_a_star(start):
    reply = start(cors_origins="*").call("/ok", "Origin: https://anything.example")

    assert reply.headers["access-control-allow-origin"] == "*"


def preflight(server, *headers, **call):
    asked = (f"Origin: {ORIGIN}", "Access-Control-Request-Method: POST", *headers)
    return server.call("/ok", *asked, method="OPTIONS", **call)


def readable(reply) -> bool:
    """Whether a page of the permitted origin may read the answer."""
    return reply.headers.get("access-control-allow-origin") == ORIGIN and "Origin" in reply.headers["vary"]


def test_a_preflight_passes_no_list_of_addresses_and_none_of_hosts(start):
    server = start(
        cors_origins=ORIGIN, trusted_proxies="127.0.0.1", ip_deny="203.0.113.9", public_hosts="localhost"
    )

    denied, foreign = (
        preflight(server, "X-Forwarded-For: 203.0.113.9"),
        preflight(server, host="foreign.example"),
    )

    assert preflight(server).status == 204
    assert (denied.status, foreign.status) == (403, 421)
    assert readable(denied)
    assert readable(foreign)
    assert "access-control-allow-methods" not in denied.headers


def test_a_preflight_counts_against_the_quota_of_its_address(start):
    server = start(cors_origins=ORIGIN, rate_address_quota=2, rate_address_window=60)

    replies = [preflight(server) for _ in range(3)]

    assert [reply.status for reply in replies] == [204, 204, 429]
    assert all(readable(reply) for reply in replies)


def test_a_preflight_takes_a_place_among_the_requests_in_flight(start):
    server = start(cors_origins=ORIGIN, max_concurrency=1)
    waiting = server.connect()
    waiting.send(b"GET /gate HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.logged(event="at_the_gate")

    refused = preflight(server)
    server.gate.touch()

    assert refused.status == 503
    assert readable(refused)
    assert waiting.reply().status == 200
    assert preflight(server).status == 204
