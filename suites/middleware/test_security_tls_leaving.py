"""No answer over TLS sends its client to plain HTTP, where the next request would be in clear."""

from __future__ import annotations

from collections.abc import Iterator

from harness import control, edit, floor
from harness.probes.reply import Reply
from harness.site import Site

AUTHENTICATION = "panotti/middleware/authentication.py"
NOTHING_HERE = '            raise Problem(404, "Not Found", "There is nothing here.")\n'
LOCATION = '[(b"location", b"http://" + dict(scope["headers"])[b"host"] + PATH)]'


def _moved(path: str) -> str:
    location = LOCATION.replace("PATH", path)
    return f'            raise Problem(308, "Permanent Redirect", "It is elsewhere.", {location})\n'


SLASH = edit(
    "a path with a slash too many is redirected to plain HTTP",
    AUTHENTICATION,
    NOTHING_HERE,
    '            if scope["path"].endswith("/"):\n    '
    + _moved('scope["path"].rstrip("/").encode()')
    + NOTHING_HERE,
)
ROOT = edit(
    "the root is redirected to plain HTTP",
    AUTHENTICATION,
    NOTHING_HERE,
    '            if scope["path"] == "/":\n    ' + _moved('b"/health"') + NOTHING_HERE,
)
MADE = edit(
    "what was made is named by an address of plain HTTP",
    "panotti/routes/admin.py",
    'return answer({"id": user_id}, 201)',
    "return answer(\n"
    '        {"id": user_id}, 201, headers={"location": f"http://{request.url.hostname}/admin/users/{user_id}"}\n'
    "    )",
)


def _asked(site: Site) -> Iterator[tuple[str, Reply]]:
    """Answers of routes that are there, of their paths with slashes too many, and of what makes something."""
    health, list_ = site.contract.path("health.simple"), site.contract.path("recordings.list")
    key = site.key()
    for path in ("/", health, f"{health}/", f"/{health}", list_, f"{list_}/", f"/{list_}"):
        yield f"GET {path}", site.http.get(path, key=key)
    started = site.contract.path("recordings.started")
    for path in (started, f"{started}/"):
        yield f"POST {path}", site.http.post(path, key=key, json={"recordingId": "rec-leaving"})
    calls = site.calls()
    for name in ("administration.users", "administration.api_keys", "sessions.login", "tokens.issue"):
        call = calls.make(f"POST {site.contract.path(name)}", "admin", "key")
        yield f"POST {call.path}", site.http.request(call.method, call.path, **call.options)


@control("middleware.security.tls", broken_by=(SLASH, ROOT, MADE))
def test_no_answer_leads_to_plain_http(site: Site) -> None:
    """Whatever address an answer over TLS names is of TLS as well, or relative to it (RFC 9110 10.2.2)."""
    assert site.deployment.base_url.startswith("https:"), "the target speaks plain HTTP"
    served = 0
    for route, reply in _asked(site):
        floor(reply.decided, f"no decision was made on {route}: {reply.status or reply.error}")
        served += reply.ok
        for name in ("location", "content-location", "refresh", "link"):
            value = reply.headers.get(name)
            assert "http:" not in value.lower(), f"{route} is answered {reply.status} with {name}: {value}"
    floor(served, "no route was served: what the target names is not to be seen")
