"""What opens a door, and what a caller said, stands in no log."""

from __future__ import annotations

import base64
import secrets

from harness import control, edit, floor
from harness.probes.leaks import leaks
from harness.records import Json
from harness.site import Site
from suites.middleware.rigged import CAUSE, RIGGED

REQUESTS = "middleware.logging.requests"
CONTEXT, FAILURES, LOGS = "panotti/middleware/context.py", "panotti/failures.py", "panotti/logs.py"

HEADER_DUMP = edit(
    "the headers are logged",
    CONTEXT,
    "        answer = _Answer(scope, receive, send)\n",
    """        answer = _Answer(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        logs.log.info("headers", headers=headers)
""",
)
QUERY_LOGGED = edit(
    "the query stands in the line",
    CONTEXT,
    'route=state["route"],\n',
    'route=scope["path"] + "?" + scope["query_string"].decode("latin-1"),\n',
)
INPUT_LOGGED = edit(
    "invalid input is logged",
    FAILURES,
    "    faults = [fault(found)",
    """    __import__("panotti.logs").logs.log.info("invalid", errors=error.errors())
    faults = [fault(found)""",
)


@control(
    REQUESTS,
    broken_by=(
        HEADER_DUMP,
        QUERY_LOGGED,
        edit(
            "the Authorization header is logged in Base64",
            CONTEXT,
            "            log_request(\n",
            """            given = b"".join(values(scope, b"authorization"))
            shown = __import__("base64").b64encode(given).decode()
            shown and logs.write_request(logging.INFO, request_id=state["request_id"], caller=shown)
            log_request(
""",
        ),
    ),
)
def test_no_credential_stands_in_the_log(site: Site) -> None:
    """No key, token, cookie, CSRF token or password, used or refused, stands in the log in any spelling."""
    site.contract.capability("logs")
    given = {**_use_credentials(site), **_misuse_credentials(site)}
    _wait_for_the_log(site)

    found = leaks(site.logs.text(), {**given, **site.deployment.secrets})

    assert not found, f"in the log: {found}"


@control(
    REQUESTS,
    broken_by=(
        INPUT_LOGGED,
        edit(
            "bodies are logged",
            "panotti/middleware/limits.py",
            "            await self.app(scope, _replay(body, receive), send)\n",
            """            text = body.decode("utf-8", "replace")
            __import__("panotti.logs").logs.log.info("received", content=text)
            await self.app(scope, _replay(body, receive), send)
""",
        ),
    ),
)
def test_no_body_stands_in_the_log(site: Site) -> None:
    """What a body holds, taken or refused, stands in no line of the log."""
    site.contract.capability("logs")
    path, key, words = site.contract.path("recordings.started"), site.key(), f"spoken {secrets.token_hex(8)}"
    recording = f"rec-{secrets.token_hex(8)}"
    good: dict[str, Json] = {"recordingId": recording, "metadata": {"transcript": words}}
    taken = site.http.post(path, key=key, json=good)
    refused = [
        site.http.post(path, key=key, json={**good, "transcript": words}),
        site.http.post(path, key=key, json={"recordingId": words}),
        site.http.post(path, key=key, content=words, headers={"Content-Type": "text/plain"}),
        site.http.post(path, key=key, content=f'{{"{words}', headers={"Content-Type": "application/json"}),
        site.http.post(path, json=good),
    ]
    floor(
        taken.ok and not any(reply.ok for reply in refused), "the bodies were not taken and refused as meant"
    )
    _wait_for_the_log(site)

    found = leaks(site.logs.text(), {"the body": words})

    assert not found, f"in the log: {found}"


@control(
    REQUESTS,
    setup=RIGGED,
    broken_by=(
        edit(
            "the log is not redacted", LOGS, "_redacted(_with_exception(fields))", "_with_exception(fields)"
        ),
        edit(
            "tracebacks are not redacted",
            LOGS,
            "        elif isinstance(value, str):\n",
            '        elif isinstance(value, str) and name != "traceback":\n',
        ),
    ),
)
def test_a_key_in_an_exception_is_not_logged(site: Site) -> None:
    """A key that an exception's text happens to hold is hidden where the exception is logged."""
    site.contract.capability("logs")
    key, mark = site.key(), site.logs.mark()
    floor(
        site.http.get(site.contract.path("version.path"), key=key).status == 500, "the route has not raised"
    )
    _wait_for_the_log(site)
    text = site.logs.text(since=mark)
    floor(CAUSE in text, "the exception is not in the log")

    found = leaks(text, {"the key": key.value})

    assert not found, f"in the log: {found}"


def _use_credentials(site: Site) -> dict[str, str]:
    """Every kind of credential in a request that is granted for it."""
    key, user = site.key(), site.user()
    tokens, session = site.tokens(key), site.login(user)
    listing, started = site.contract.path("recordings.list"), site.contract.path("recordings.started")
    fresh: dict[str, Json] = {"recordingId": f"rec-{secrets.token_hex(8)}"}
    renewed = site.http.post(site.contract.path("tokens.refresh"), json={"refresh_token": tokens.refresh})
    granted = {
        "key": site.http.get(listing, key=key),
        "access token": site.http.get(listing, token=tokens),
        "refresh token": renewed,
        "session": site.http.post(started, session=session, json=fresh),
    }
    refused = {name: reply.status for name, reply in granted.items() if not reply.ok}
    floor(not refused, f"credentials that were to be used were refused: {refused}")
    return {
        "key": key.value,
        "access token": tokens.access,
        "refresh token": tokens.refresh,
        "renewed access token": renewed.string("access_token"),
        "renewed refresh token": renewed.string("refresh_token"),
        "password": user.password,
        "session cookie": session.value,
        "CSRF token": session.csrf,
    }


def _misuse_credentials(site: Site) -> dict[str, str]:
    """Credentials that are wrong, or in the wrong place: people send them by mistake."""
    listing, login = site.contract.path("recordings.list"), site.contract.path("sessions.login")
    names = (
        "wrong key",
        "wrong token",
        "basic",
        "in the query",
        "in the path",
        "cookie",
        "password",
        "odd body",
    )
    given = {name: f"{secrets.token_urlsafe(9)}+/{secrets.token_urlsafe(24)}" for name in names}
    basic = base64.b64encode(f"admin:{given['basic']}".encode()).decode()
    safe = {name: value.replace("+/", "Zz") for name, value in given.items()}
    replies = [
        site.http.get(listing, key=given["wrong key"]),
        site.http.get(listing, token=given["wrong token"]),
        site.http.get(listing, headers={"Authorization": f"Basic {basic}"}),
        site.http.get(f"{listing}?api_key={safe['in the query']}"),
        site.http.get(f"{listing}/{safe['in the path']}"),
        site.http.get(listing, cookies={"session": safe["cookie"]}),
        site.http.post(login, json={"username": "nobody", "password": given["password"]}),
        site.http.post(login, json={"username": "nobody", "passwort": given["odd body"]}),
    ]
    floor(not any(reply.ok for reply in replies), "a wrong credential was accepted")
    return {
        **{name: given[name] for name in ("wrong key", "wrong token", "basic", "password", "odd body")},
        **{name: safe[name] for name in ("in the query", "in the path", "cookie")},
    }


def _wait_for_the_log(site: Site) -> None:
    """Until the line of a request after all others is there."""
    last = f"last-{secrets.token_hex(8)}"
    site.http.get(site.contract.path("health.simple"), headers={"X-Request-ID": last})
    floor(site.logs.requests([last])[last], "the log does not show the last request")
