"""Browser sessions: a new id at login, an end on every worker, and a cookie that only the server reads."""

from __future__ import annotations

import secrets
from dataclasses import replace

from harness import control, defect, edit, floor
from harness.credentials import session_in
from harness.principals import BrowserSession, User
from harness.probes.entropy import unpredictable_bits
from harness.probes.reply import Reply
from harness.site import Site

REFUSED = (401, 403)
SAMPLE = 24  # sessions whose ids are weighed

SESSIONS = "panotti/identity/sessions.py"
USERS = "panotti/storage/users.py"
ROUTES = "panotti/routes/auth.py"
FRESH = 'session = fresh("pns")'
ATTRIBUTES = 'ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Strict"'
FOUND = "        if row is None:\n            return None\n        last ="

FIXATION = edit(
    "a login keeps the session id that the browser brought",
    SESSIONS,
    FRESH,
    'session = next((old.decode() for old in presented), None) or fresh("pns")',
)
OLD_ONE_RISES = edit(
    "a login also lets the session in that the browser brought",
    SESSIONS,
    "                await users.end_session(connection, self._digests.of(old))\n",
    "                await users.end_session(connection, self._digests.of(old))\n"
    "                await users.open_session(connection, self._digests.of(old), user_id)\n",
)
COOKIE_ONLY = edit(
    "logout only clears the cookie",
    ROUTES,
    "    await services.sessions.end(caller)\n",
    "    del services, caller\n",
)
REMEMBERED = defect(
    "each worker remembers the sessions that it has seen",
    edit(
        "",
        SESSIONS,
        "        self._idle = idle_ttl\n",
        "        self._idle = idle_ttl\n        self._known = {}\n",
    ),
    edit("", SESSIONS, FOUND, "        row = self._known[digest] = row or self._known.get(digest)\n" + FOUND),
)
ALL_MEANS_ONE = edit(
    "logout everywhere ends this session only",
    ROUTES,
    "    await services.sessions.end_all(caller)\n",
    "    await services.sessions.end(caller)\n",
)
COUNTED = edit("the id is made of the time", SESSIONS, FRESH, 'session = f"pns_{time.time_ns():032x}"')
SHORT = edit("the id has 64 bits", SESSIONS, FRESH, "session = f\"pns_{__import__('secrets').token_hex(8)}\"")
NOT_SECURE = edit("the cookie is not Secure", SESSIONS, ATTRIBUTES, ATTRIBUTES.replace(" Secure;", ""))
SCRIPTS_READ_IT = edit(
    "the cookie is not HttpOnly", SESSIONS, ATTRIBUTES, ATTRIBUTES.replace(" HttpOnly;", "")
)
ANY_SITE = edit(
    "the cookie goes with other sites' requests", SESSIONS, ATTRIBUTES, ATTRIBUTES.replace("Strict", "None")
)
FOR_A_YEAR = edit(
    "the cookie outlives the session", SESSIONS, "Max-Age={int(self._absolute)}", "Max-Age=31536000"
)


def _whoami(site: Site, session: BrowserSession) -> Reply:
    reply = site.http.get(site.contract.path("sessions.current"), session=session)
    floor(reply.decided, f"no decision was made on a session: {reply.status or reply.error}")
    return reply


def _login(site: Site, user: User, *, brought: BrowserSession) -> BrowserSession:
    """Log in with a browser that brought a cookie."""
    credentials = {"username": user.username, "password": user.password}
    path = site.contract.path("sessions.login")
    reply = site.http.post(path, json={**credentials}, cookies={brought.name: brought.value})
    session = session_in(reply, site.contract.capability("sessions").cookie)
    floor(reply.ok and session, f"the login was answered {reply.status or reply.error}, with no session")
    assert session is not None
    return session


@control("middleware.auth.sessions", broken_by=(FIXATION, OLD_ONE_RISES))
def test_a_login_gives_a_new_id(site: Site) -> None:
    """An id that was planted in the browser before the login is not the victim's afterwards (CWE-384)."""
    victim, attacker = site.user(), site.login()
    floor(_whoami(site, attacker).ok, "the attacker's own session does not work")
    invented = replace(attacker, value=attacker.value[:4] + secrets.token_urlsafe(32))
    assert _whoami(site, invented).status in REFUSED, "any cookie is a session"

    for planted in (invented, attacker):
        session = _login(site, victim, brought=planted)
        kept = session.value == planted.value
        assert not kept, "the login kept an id that was there before it"
        who = _whoami(site, session)
        floor(who.ok, f"the new session was answered {who.status or who.error}")
        theirs = victim.username in who.text
        assert theirs, "the new session is not that of who logged in"
        risen = victim.username in _whoami(site, planted).text
        assert not risen, "the planted id became the victim's session"


@control("middleware.auth.sessions", broken_by=(COOKIE_ONLY, REMEMBERED))
def test_a_logout_ends_the_session_in_every_worker(site: Site) -> None:
    """After a logout the id is worth nothing, also for a thief, also where it was used just before."""
    session, bystander = site.login(), site.login()
    current, logout = site.contract.path("sessions.current"), site.contract.path("sessions.logout")
    with site.workers() as workers:
        before = workers.ask("GET", current, session=session)
        floor(all(reply.ok for reply in before), "the session did not work in every worker before")
        reply = site.http.post(logout, session=session)
        floor(reply.ok, f"the logout was answered {reply.status or reply.error}")
        after = [*workers.ask("GET", current, session=session), _whoami(site, session)]
        new = site.burst(8, current, connection="new", session=session)

    answers = [*after, *new.replies]
    floor(all(reply.decided for reply in answers), "a worker made no decision")
    statuses = sorted({reply.status for reply in answers})
    assert all(status in REFUSED for status in statuses), f"workers answered an ended session by {statuses}"
    assert _whoami(site, bystander).ok, "the logout ended another user's session"


@control("middleware.auth.sessions", broken_by=ALL_MEANS_ONE)
def test_a_logout_everywhere_ends_every_session(site: Site) -> None:
    """A user who logs out everywhere has no session left, and nobody else loses one."""
    user, path = site.user(), site.contract.path("sessions.logout_all")
    here, elsewhere, bystander = site.login(user), site.login(user), site.login()
    for session in (here, elsewhere, bystander):
        floor(_whoami(site, session).ok, "a session did not work when it was new")

    reply = site.http.post(path, session=here)
    floor(reply.ok, f"the logout was answered {reply.status or reply.error}")
    for session, which in ((here, "this"), (elsewhere, "the other")):
        status = _whoami(site, session).status
        assert status in REFUSED, f"{which} session was answered {status} after a logout everywhere"
    assert _whoami(site, bystander).ok, "the logout ended another user's session"


@control("middleware.auth.sessions", broken_by=(COUNTED, SHORT), intrusive=True)
def test_session_ids_are_unguessable(site: Site) -> None:
    """An id holds at least the policy's bits that nobody can predict (ASVS v5.0.0-7.2.3)."""
    user, sessions = site.user(), site.contract.capability("sessions")
    body = {"username": user.username, "password": user.password}
    path = site.contract.path("sessions.login")
    logins = site.burst(SAMPLE, path, method="POST", concurrency=4, json={**body}, timeout_s=30.0)
    made = [session_in(reply, sessions.cookie) for reply in logins.replies if reply.ok]
    ids = [session.value for session in made if session is not None]
    floor(len(ids) == SAMPLE, f"{len(ids)} of {SAMPLE} logins began a session: {dict(logins.statuses)}")

    wanted, bits = site.policy.auth.session_id_min_bits, unpredictable_bits(ids)
    assert len(set(ids)) == SAMPLE, "two logins began sessions with one id"
    assert bits >= wanted, f"{bits:.0f} bits of a session id are unpredictable, not {wanted}"


@control("middleware.auth.sessions", broken_by=(NOT_SECURE, SCRIPTS_READ_IT, ANY_SITE, FOR_A_YEAR))
def test_the_cookie_is_for_the_server_alone(site: Site) -> None:
    """The session's cookie has the policy's prefix and attributes, and no wider scope (RFC 6265bis 4.1.3)."""
    session, wanted = site.login(), site.policy.auth.cookie
    floor(_whoami(site, session).ok, "the cookie is not what carries the session")
    pair, *rest = (part.strip() for part in session.set_cookie.split(";"))
    given = {name.lower(): value for name, _, value in (part.partition("=") for part in rest)}

    assert pair.startswith(wanted.name_prefix), f"the cookie's name does not begin with {wanted.name_prefix}"
    assert ("secure" in given) >= wanted.secure, "the cookie is not Secure"
    assert ("httponly" in given) >= wanted.http_only, "the cookie is not HttpOnly"
    same_site = given.get("samesite", "missing")
    assert same_site.lower() == wanted.same_site.lower(), f"SameSite is {same_site}, not {wanted.same_site}"
    assert given.get("path") == wanted.path, f"the cookie's Path is {given.get('path')}, not {wanted.path}"
    assert "domain" not in given, "the cookie has a Domain, and goes to other hosts"
    longest = site.policy.auth.session_absolute_ttl_s
    given_age = given.get("max-age", "")
    age = int(given_age) if given_age.isdecimal() else 0
    assert age <= longest, f"the cookie lives {age} s, longer than a session may ({longest:g} s)"
