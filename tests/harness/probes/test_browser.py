from __future__ import annotations

import contextlib
import json
import shutil
from types import SimpleNamespace

import pytest
from playwright.sync_api import Error

from harness.errors import ProbeFailed
from harness.outcome import NotVerified
from harness.principals import BrowserSession
from harness.probes import browser
from harness.probes.browser import BrowserProbe

LISTED = "https://app.example"
needs_chromium = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="no Chromium here: apt-get install chromium"
)


async def cross_origin(scope, receive, send):
    """Grants LISTED, and tells what arrived."""
    await receive()
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    headers = [(b"content-type", b"application/json"), (b"x-hidden", b"1"), (b"x-request-id", b"abc")]
    if fields.get("origin") == LISTED:
        headers += [
            (b"access-control-allow-origin", LISTED.encode()),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-allow-methods", b"POST, PUT"),
            (b"access-control-allow-headers", b"x-api-key, content-type"),
            (b"access-control-expose-headers", b"x-request-id"),
        ]
    seen = {"method": scope["method"], "origin": fields.get("origin"), "cookie": fields.get("cookie")}
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


@pytest.fixture
def probe(secure, serve, authority):
    secure.base_url = serve(cross_origin, authority)
    probe = BrowserProbe(secure)
    yield probe
    probe.close()


@needs_chromium
def test_a_browser_keeps_to_the_grants_of_the_server(probe, recorder):
    session = BrowserSession(name="__Host-sid", value="cookie-value", set_cookie="x; SameSite=Lax")
    with probe.page(LISTED, session=session) as page:
        granted = page.fetch("/x", method="PUT", key="a-key-0123456789", json={"a": 1})
        assert "__Host-sid" in page.cookies()
        submitted = page.submit("/x", {"a": "1"})
    refused = probe.fetch("https://evil.example", "/x")
    sandboxed = probe.fetch("null", "/x")

    assert granted.readable
    assert json.loads(granted.body)["origin"] == LISTED
    assert granted.headers["x-request-id"] == "abc"
    assert "x-hidden" not in granted.headers
    assert submitted.status == 200
    assert not refused.readable
    assert "Failed to fetch" in refused.error
    assert any("CORS" in line for line in refused.console)
    assert not sandboxed.readable
    assert recorder.total == 4
    assert "a-key-0123456789" not in repr(recorder.telling())


@needs_chromium
def test_a_plain_target_is_reached_from_a_loopback_page(plain, serve):
    plain.base_url = serve(cross_origin)
    probe = BrowserProbe(plain)
    refused = probe.fetch("http://localhost:3000", "/x")
    with pytest.raises(ProbeFailed, match="no page could be opened on http://localhost:9"):
        probe.fetch("http://localhost:9", "/x")  # a port that Chromium does not talk to
    again = probe.fetch("http://127.0.0.1:5173", "/x", mode="no-cors")
    probe.close()

    assert "Failed to fetch" in refused.error
    assert again.type == "opaque"


def test_a_machine_without_a_browser_is_not_verified(secure, monkeypatch):
    monkeypatch.setattr(browser, "PROGRAMS", ())
    probe = BrowserProbe(secure)
    with pytest.raises(NotVerified, match="no browser on this machine"):
        probe.fetch(LISTED, "/")
    probe.close()


CHANGED = "Page.goto: net::ERR_NETWORK_CHANGED at https://app.panotti.test/"
ARRIVING = 'Page.goto: Navigation is interrupted by another navigation to "chrome-error://chromewebdata/"'
REFUSED = "Page.goto: net::ERR_CONNECTION_REFUSED at https://app.panotti.test/"


@pytest.mark.parametrize(
    ("ends", "tries", "raised"),
    [
        ([], 1, None),
        ([CHANGED, ARRIVING], 3, None),
        ([REFUSED], 1, Error),
        ([CHANGED, REFUSED], 2, Error),
        ([CHANGED] * 9, 4, NotVerified),
    ],
)
def test_only_a_changed_network_lets_a_page_be_opened_again(ends, tries, raised, monkeypatch):
    left, asked, clock = list(ends), [], iter(range(0, 1000, 3))
    monkeypatch.setattr(browser.time, "monotonic", lambda: next(clock))

    class OnePage(SimpleNamespace):
        def goto(self, url):
            assert self not in asked, "a page is tried once"
            asked.append(self)
            if left:
                raise Error(left.pop(0))

        def close(self):
            self.closed = True

    context = SimpleNamespace(new_page=lambda: OnePage(name=len(asked), closed=False))
    with pytest.raises(raised) if raised else contextlib.nullcontext():
        browser._opened(context, "https://app.panotti.test/")

    assert len(asked) == tries
    assert [page.closed for page in asked] == [True] * (tries - (raised is None)) + [False] * (raised is None)
