"""What survives a rollback: sessions, limits, revocations, and requests under way."""

from __future__ import annotations

import time
from typing import Final

from harness import edit, floor, in_time, rollout
from harness.defects import remade
from harness.probes.message import Parts
from harness.site import Site
from suites.releases import GOOD, kept, released

STATE: Final = "process.rollback.state"
SESSIONS: Final = "panotti/identity/sessions.py"

LOGGED_OUT: Final = remade(
    "a session is known to the release alone that began it: everyone is logged out",
    GOOD,
    edit("", SESSIONS, "self._digests.of(session.encode())", 'self._digests.of(b"old" + session.encode())'),
    edit(
        "",
        SESSIONS,
        "        digest = self._digests.of(session)\n",
        '        digest = self._digests.of(b"old" + session)\n',
    ),
)
COUNTED_ALONE: Final = remade(
    "each replica of a release counts requests for itself",
    GOOD,
    edit("", "panotti/backends.py", "    if settings.redis_url is None:\n", "    if settings.redis_url:\n"),
)
CUT_OFF: Final = rollout("the replicas are killed at the switch, with what they were answering", "abrupt")


@released(STATE, broken_by=(LOGGED_OUT, COUNTED_ALONE, CUT_OFF))
def test_what_the_policy_names_survives_a_rollback(site: Site) -> None:
    """A session holds, a quota stays used up, a revoked key stays shut, a request under way is answered."""
    other = kept(site)
    survive, rollouts, limit = site.policy.releases.survive, site.rollout, site.policy.rate.key
    current, listing = site.contract.path("sessions.current"), site.contract.path("recordings.list")
    session, revoked, used_up = site.login(), site.key(), site.key()
    floor(site.http.get(current, session=session).status == 200, "a session is not known before the rollback")
    site.credentials.revoke(revoked)
    parts: Parts = {"key": site.key(), "json": {"recordingId": "held-across-a-rollback"}}
    began = time.monotonic()
    burst = site.burst(4 * limit.quota, listing, key=used_up, stop_at=429)
    in_time(burst.of(429), "the quota was not used up before the rollback")

    with site.hold(site.contract.path("recordings.started"), each=lambda _: parts) as (held,):
        floor(held.begun, "no request was under way")
        with site.meanwhile(lambda: rollouts.rollback(other.version)) as going:
            switched = site.eventually(lambda: rollouts.serving() == other or going.done(), timeout_s=10)
            again = site.http.get(listing, key=used_up).status
            within = time.monotonic() - began < limit.window_s
            answers = {
                "sessions": site.http.get(current, session=session).status == 200,
                "revocations": site.http.get(listing, key=revoked).status in (401, 403),
                "limits": again == 429,
                "in-flight": held.finish().ok,
            }
            outcome = going.result()
    floor(switched, "no switch was made")
    in_time(within, f"the switch took longer than the window of {limit.window_s:g} s")

    lost = [name for name in survive if not answers[name]]
    assert not lost, f"did not survive the rollback: {', '.join(lost)}"
    assert outcome.result == "taken", f"the rollback ended as {outcome.result}: {outcome.why}"
