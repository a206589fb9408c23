"""Browser sessions end by themselves: after a time without use, and after a time in any case."""

from __future__ import annotations

import time

from harness import control, defect, edit, floor, setting
from harness.principals import BrowserSession
from harness.site import Site

REFUSED = (401, 403)
IDLE_S, ABSOLUTE_S = 2.0, 4.5
EVERY_S = 0.4  # between two uses of a session that is not to become idle
LATE_S = 1.0  # a session may end so much later than it should

SESSIONS = "panotti/identity/sessions.py"
ACTIVITY = "panotti/identity/activity.py"
REDIS_ACTIVITY = "panotti/identity/redis_activity.py"
USERS = "panotti/storage/users.py"
FOUND = "        if row is None:\n            return None\n        last ="

SHORT = setting(title="sessions of seconds", SESSION_IDLE_TTL=IDLE_S, SESSION_ABSOLUTE_TTL=ABSOLUTE_S)
NO_IDLE_EXPIRY = edit(
    "a session is never idle", SESSIONS, "        self._idle = idle_ttl\n", "        self._idle = 1e9\n"
)
IDLE_FROM_LOGIN = defect(
    "a session counts as unused since its login",
    edit(
        "",
        ACTIVITY,
        "                await users.touch_session(connection, digest, now)\n",
        "                pass\n",
    ),
    edit("", REDIS_ACTIVITY, "pexpire(_key(digest), _milliseconds(idle))", "exists(_key(digest))"),
)
NO_ABSOLUTE_EXPIRY = edit(
    "a session that is used lasts for ever",
    USERS,
    '        sessions.c.created_at > bindparam("created_after"),\n',
    "",
)
RENEWED_BY_USE = edit(
    "each use begins the session anew",
    SESSIONS,
    FOUND,
    "        anew = users.update(users.sessions).where(users.sessions.c.digest == digest)\n"
    "        async with self._database.writing() as connection:\n"
    "            await connection.execute(anew.values(created_at=moment))\n" + FOUND,
)


def _status(site: Site, session: BrowserSession) -> int:
    reply = site.http.get(site.contract.path("sessions.current"), session=session)
    floor(reply.decided, f"no decision was made on a session: {reply.status or reply.error}")
    return reply.status


def _use(site: Site, session: BrowserSession, *, until_s: float) -> float:
    """Use a session until a `time.monotonic()` second; return the longest time that it lay unused."""
    longest, last = 0.0, time.monotonic()
    while last < until_s:
        site.demanded_wait(min(EVERY_S, until_s - last), why="between two uses of a session")
        if _status(site, session) in REFUSED:
            break
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


@control(
    "middleware.auth.sessions",
    broken_by=(NO_IDLE_EXPIRY, IDLE_FROM_LOGIN, NO_ABSOLUTE_EXPIRY, RENEWED_BY_USE),
    setup=SHORT,
)
def test_a_session_ends_unused_by_the_idle_time_and_used_by_the_absolute_time(site: Site) -> None:
    """A session that lies unused ends by the idle time, one that is used goes on until the absolute time."""
    site.contract.path("sessions.current")
    unused, used, began_s = site.login(), site.login(), time.monotonic()
    floor(_status(site, unused) == 200, "a session did not work when it was new")
    floor(_status(site, used) == 200, "a session did not work when it was new")
    longest = _use(site, used, until_s=began_s + IDLE_S + LATE_S)
    floor(longest < IDLE_S, f"the session that was to be used lay unused for {longest:.1f} s")

    assert _status(site, used) == 200, "a session that was used ended by the idle time"
    status = _status(site, unused)
    assert status in REFUSED, f"a session unused for {IDLE_S + LATE_S:g} s was answered {status}"

    longest = _use(site, used, until_s=began_s + ABSOLUTE_S + LATE_S)
    floor(longest < IDLE_S, f"the session lay unused for {longest:.1f} s, and may have ended by that")
    status = _status(site, used)
    assert status in REFUSED, f"a session {ABSOLUTE_S + LATE_S:g} s old was answered {status}"
