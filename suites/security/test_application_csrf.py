"""A page on another site cannot change anything with a user's cookie (CWE-352)."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Unpack

from harness import control, edit, floor
from harness.principals import BrowserSession
from harness.probes.http import Options
from harness.probes.reply import Reply
from harness.site import Site

ID = "security.application.csrf"
FOREIGN = ("https://evil.example", "null")

MIDDLEWARE = "panotti/middleware/authentication.py"
PROTECTION = (
    'if principal.session is not None and scope["method"] not in SAFE_METHODS:\n'
    "            _refuse_forgery(scope, services, principal)\n"
)
TOKEN = "if len(presented) != 1 or not services.sessions.csrf_fits(principal, presented[0]):"

OFF = edit("the protection is off", MIDDLEWARE, PROTECTION, "pass\n")
POST_ONLY = edit(
    "only POST is protected", MIDDLEWARE, 'scope["method"] not in SAFE_METHODS', 'scope["method"] == "POST"'
)
IF_PRESENT = edit(
    "a token is looked at only where there is one",
    MIDDLEWARE,
    TOKEN,
    "if presented and not services.sessions.csrf_fits(principal, presented[0]):",
)
ANY_TOKEN = edit(
    "any token will do",
    MIDDLEWARE,
    TOKEN,
    "if len(presented) != 1 or not presented[0]:",
)
UNBOUND = edit(
    "the token belongs to the server and not to the session",
    "panotti/identity/digests.py",
    "return self._csrf.digest(session).hex()",
    'return self._csrf.digest(b"").hex()',
)
ANY_ORIGIN = edit(
    "the origin is not looked at",
    MIDDLEWARE,
    "    if not services.origins.allow(scope):\n",
    "    if False:\n",
)
NULL_IS_FINE = edit(
    "the origin null is the own one",
    "panotti/identity/origins.py",
    "        if not origins:\n",
    '        if not origins or origins == [b"null"]:\n',
)
LOGIN_FROM_ANYWHERE = edit(
    "a login may come from any page",
    "panotti/routes/auth.py",
    "    if not services.origins.allow(request.scope):\n",
    "    if False:\n",
)


def _begin(site: Site, recording: str, **options: Unpack[Options]) -> Reply:
    sent: Options = {"json": {"recordingId": recording}, **options}
    reply = site.http.post(site.contract.path("recordings.started"), **sent)
    floor(reply.decided, f"no decision was made on a change: {reply.status or reply.error}")
    return reply


def _exists(site: Site, session: BrowserSession, recording: str) -> bool:
    path = site.contract.path("recordings.read").format(recording_id=recording)
    reply = site.http.get(path, session=session)
    floor(reply.status in (200, 404), f"the recording was answered {reply.status or reply.error}")
    return reply.status == 200


def _name() -> str:
    return f"rec-{secrets.token_hex(8)}"


def _working(site: Site) -> BrowserSession:
    """A session with which a change was just made, with its token and from the own origin."""
    session, made = site.login(), _name()
    reply = _begin(site, made, session=session, origin=f"https://{site.deployment.host_name}")
    reply = reply if reply.ok else _begin(site, made, session=session)
    floor(reply.ok, f"a change with the right token was answered {reply.status}: a refusal shows nothing")
    floor(_exists(site, session, made), "a change with the right token had no effect")
    return session


@control(ID, broken_by=(OFF, IF_PRESENT, ANY_TOKEN, UNBOUND))
def test_a_change_needs_the_token_of_its_own_session(site: Site) -> None:
    """No token, an empty or invented one, and another session's change nothing (ASVS v5.0.0-3.5.1)."""
    session, other = _working(site), _working(site)
    floor(session.csrf, "the login gave no token")
    forged = {
        "without a token": "",
        "with an invented token": secrets.token_hex(len(session.csrf) // 2),
        "with a token cut off": session.csrf[:-1],
        "with another session's token": other.csrf,
    }
    for how, token in forged.items():
        recording = _name()
        reply = _begin(site, recording, session=replace(session, csrf=token))
        assert reply.status == 403, f"a change {how} was answered {reply.status}, not 403"
        assert not _exists(site, session, recording), f"a change {how} was refused, and made"


@control(ID, broken_by=(OFF, POST_ONLY))
def test_every_unsafe_method_is_protected(site: Site) -> None:
    """PUT and DELETE are refused without the token as well, and have no effect."""
    session, recording = _working(site), _name()
    state = site.contract.path("recordings.state").format(recording_id=recording)
    floor(_begin(site, recording, session=session).ok, "no recording could be begun")
    bare = replace(session, csrf="")
    reply = site.http.put(state, session=bare, json={"state": "failed"})
    assert reply.status == 403, f"PUT without a token was answered {reply.status or reply.error}, not 403"
    done = site.http.put(state, session=session, json={"state": "failed"})
    floor(done.ok, f"PUT with the token was answered {done.status or done.error}")

    admin, key = site.login(site.user("admin")), site.key()
    path = site.contract.path("administration.key").replace("{key_id}", key.id)
    reply = site.http.delete(path, session=replace(admin, csrf=""))
    assert reply.status == 403, f"DELETE without a token was answered {reply.status or reply.error}, not 403"
    assert site.present(key=key).ok, "DELETE without a token was refused, and done"
    done = site.http.delete(path, session=admin)
    floor(done.ok, f"DELETE with the token was answered {done.status or done.error}")


@control(ID, broken_by=(ANY_ORIGIN, NULL_IS_FINE, LOGIN_FROM_ANYWHERE))
def test_a_change_from_a_foreign_origin_is_refused(site: Site) -> None:
    """Neither a change, though it has the token, nor a login comes from a page of another site."""
    session, user = _working(site), site.user()
    login = site.contract.path("sessions.login")
    credentials = {"username": user.username, "password": user.password}
    floor(site.http.post(login, json={**credentials}).ok, "the login does not work without an origin")
    for origin in FOREIGN:
        recording = _name()
        reply = _begin(site, recording, session=session, origin=origin)
        assert reply.status == 403, f"a change from {origin} was answered {reply.status}, not 403"
        assert not _exists(site, session, recording), f"a change from {origin} was refused, and made"
        reply = site.http.post(login, json={**credentials}, origin=origin)
        assert reply.status == 403, f"a login from {origin} was answered {reply.status or reply.error}"
        assert "set-cookie" not in reply.headers, f"a login from {origin} was refused, and began a session"


@control(
    ID,
    broken_by=(
        edit(
            "programs need a token as well",
            MIDDLEWARE,
            "if principal.session is not None and scope",
            'if (principal.session or "recording-started" in scope["path"]) and scope',
        ),
        OFF,
    ),
)
def test_a_call_with_a_key_needs_no_token(site: Site) -> None:
    """A program with an API key changes things without a CSRF token; a cookie alone does not."""
    session = _working(site)
    reply = _begin(site, _name(), session=replace(session, csrf=""))
    assert reply.status == 403, f"a cookie alone was answered {reply.status}, not 403"
    reply = _begin(site, _name(), key=site.key())

    assert reply.ok, f"a key without a token was answered {reply.status}"
