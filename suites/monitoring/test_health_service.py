"""Liveness, readiness and startup are apart, open and silent."""

from __future__ import annotations

import secrets
from typing import get_args

from harness import control, edit, floor, prompt
from harness.faults.dependency import DependencyName
from harness.probes.reply import Reply
from harness.site import Site

CONNECTIONS = 8  # each may be taken by another worker, and each worker has its own view

ROUTES = "panotti/routes/health.py"
LIVE = '@router.get("/health/live", response_model=Status)\n@rule(PUBLIC)\n'
LIVE_BODY = (
    "async def live() -> Response:\n"
    '    """The process answers. Touches no dependency."""\n'
    "    return encoded(OK)"
)
STARTUP = '@router.get("/health/startup", response_model=Status)\n@rule(PUBLIC)\n'
STARTUP_BODY = (
    "async def startup() -> Response:\n"
    '    """Start-up is over: nothing is served before."""\n'
    "    return encoded(OK)"
)
READY_BODY = "return encoded(OK) if services_of(request.scope).monitor.ready else encoded(UNAVAILABLE, 503)"
DETAIL = '@router.get("/health/detail", response_model=None)\n@rule(ADMIN)\n'

READY_ALWAYS = edit("readiness is always 200", ROUTES, READY_BODY, "return encoded(OK)")


@control(
    "monitoring.health.service",
    broken_by=(
        edit("liveness needs a key", ROUTES, LIVE, LIVE.replace("PUBLIC", "READER")),
        edit("there is no startup probe", ROUTES, STARTUP, STARTUP.replace("/startup", "/started")),
    ),
)
def test_the_three_probes_are_apart_and_need_no_key(site: Site) -> None:
    """Liveness, readiness and startup are three places, and each answers 200 without a credential."""
    paths = {name: site.contract.path(f"health.{name}") for name in ("live", "ready", "startup")}
    anything = site.http.get(f"/{secrets.token_hex(8)}")
    floor(not anything.ok, "every path is answered with success, so a probe's success says nothing")
    answers = {name: site.http.get(path) for name, path in paths.items()}
    refused = {name: reply.status or reply.error for name, reply in answers.items() if reply.status != 200}

    assert len(set(paths.values())) == len(paths), f"the probes share a place: {paths}"
    assert not refused, f"asked without a key, the probes answered {refused}"


@control(
    "monitoring.health.service",
    broken_by=(
        edit(
            "liveness tells the process",
            ROUTES,
            LIVE_BODY,
            LIVE_BODY.replace("encoded(OK)", 'answer({"status": "ok", "pid": os.getpid()})'),
        ),
        edit(
            "startup tells the release",
            ROUTES,
            STARTUP_BODY,
            STARTUP_BODY.replace("encoded(OK)", 'answer({"status": "ok 0.1.0"})'),
        ),
    ),
)
def test_the_probes_tell_a_status_and_nothing_else(site: Site) -> None:
    """The answer of a probe is one word: no version, process, host or dependency (ASVS v5.0.0-13.4.5)."""
    answers = {
        name: site.http.get(site.contract.path(f"health.{name}")) for name in ("live", "ready", "startup")
    }
    floor(all(reply.ok for reply in answers.values()), "a probe did not answer, so it could tell nothing")
    talkative = [name for name, reply in answers.items() if not _bare(reply)]

    assert not talkative, f"more than a status is told by: {', '.join(talkative)}"


@control(
    "monitoring.health.service",
    broken_by=(
        edit("the detail is open to everybody", ROUTES, DETAIL, DETAIL.replace("ADMIN", "PUBLIC")),
        edit("the detail is open to any key", ROUTES, DETAIL, DETAIL.replace("ADMIN", "READER")),
    ),
)
def test_the_detail_is_for_the_administrator(site: Site) -> None:
    """The administrator reads the detail; without a key, and with a reader's, it is refused."""
    path = site.contract.path("health.detail")
    granted = site.http.get(path, key=site.key("admin"))
    refusals = [site.http.get(path), site.http.get(path, key=site.key("reader"))]
    floor(granted.ok, "the administrator gets no detail, so there is nothing to guard")

    assert [reply.status for reply in refusals] == [401, 403], (
        f"without a key and with a reader's the detail was answered {[reply.status for reply in refusals]}"
    )


@control(
    "monitoring.health.service",
    intrusive=True,
    broken_by=(
        edit(
            "liveness touches the database",
            ROUTES,
            LIVE_BODY,
            LIVE_BODY.replace("live()", "live(request: Request)").replace(
                "    return encoded(OK)",
                "    async with services_of(request.scope).database.writing():\n        return encoded(OK)",
            ),
        ),
        edit(
            "liveness counts against the rate limit",
            "panotti/app.py",
            'OPEN_PROBES = ("/health", "/health/live", ',
            'OPEN_PROBES = ("/health", ',
        ),
        edit(
            "startup is readiness by another name",
            ROUTES,
            STARTUP_BODY,
            STARTUP_BODY.replace("startup()", "startup(request: Request)").replace(
                "return encoded(OK)", READY_BODY
            ),
        ),
    ),
)
def test_liveness_and_startup_do_not_depend_on_anything(site: Site) -> None:
    """With every dependency hung, and then lost, liveness and startup answer 200 within their budget."""
    paths = [site.contract.path(f"health.{name}") for name in ("live", "startup")]
    budget_s = site.policy.health.live_budget_s
    key, write = site.key(), site.contract.path("recordings.started")
    database, counters = site.faults.dependency("database"), site.faults.dependency("counters")
    with database.hung(), counters.hung():
        answers = [site.http.get(path, timeout_s=2 * budget_s) for path in paths]
    with database.lost(), counters.lost():
        written = site.http.post(write, key=key, json={"recordingId": f"rec-{secrets.token_hex(8)}"})
        _flips(site, 503)
        answers += [site.http.get(path, timeout_s=2 * budget_s) for path in paths]
    _flips(site, 200)
    floor(not written.ok, "a recording was taken without the database, so it was not really lost")
    failed = [reply.status or reply.error for reply in answers if reply.status != 200]
    slowest_s = max(reply.elapsed_s for reply in answers)

    assert not failed, f"without dependencies, liveness or startup was answered {failed[0]}"
    prompt(
        slowest_s <= budget_s, f"without dependencies, liveness or startup took longer than {budget_s:g} s"
    )


@control(
    "monitoring.health.service",
    intrusive=True,
    broken_by=(
        READY_ALWAYS,
        edit(
            "readiness tells what is lost",
            ROUTES,
            "else encoded(UNAVAILABLE, 503)",
            'else answer({"lost": [*services_of(request.scope).monitor.statuses]}, 503)',
        ),
    ),
)
def test_readiness_is_given_only_while_it_can_serve(site: Site) -> None:
    """While recordings cannot be stored readiness is a bare 503; once it is 200 again they can."""
    key, write = site.key(), site.contract.path("recordings.started")
    ready = site.contract.path("health.ready")
    floor(site.http.get(ready).ok, "it is not ready to begin with")
    with site.faults.dependency("database").lost():
        refused = site.http.post(write, key=key, json={"recordingId": f"rec-{secrets.token_hex(8)}"})
        flipped = _flips(site, 503)
        unready = site.http.get(ready)
    returned = _flips(site, 200)
    stored = site.http.post(write, key=key, json={"recordingId": f"rec-{secrets.token_hex(8)}"})
    floor(not refused.ok, "a recording was taken without the database, so it was not really lost")

    assert flipped, "recordings could not be stored, and it still called itself ready"
    assert _names_nothing(site, unready), "readiness tells more than a status when something is lost"
    assert returned, "recordings can be stored again, and it does not call itself ready"
    assert stored.status == 200, (
        f"it called itself ready and answered a recording {stored.status or stored.error}"
    )


def _flips(site: Site, status: int) -> bool:
    """Whether readiness becomes `status`, whichever worker is asked, within the interval."""
    path, interval_s = site.contract.path("health.ready"), site.policy.health.interval_s
    return site.demanded_wait(
        interval_s,
        why=f"readiness becomes {status}",
        until=lambda: all(site.http.get(path, connection="new").status == status for _ in range(CONNECTIONS)),
    )


def _names_nothing(site: Site, reply: Reply) -> bool:
    """Whether it is bare, or the problem document (RFC 9457) of an edge that has no ready replica.

    Such a document names no dependency, neither as the server does nor as the service that it is.
    """
    topology = site.contract.launch.topology
    names = {*get_args(DependencyName), *(topology.parts.values() if topology else ())}
    problem = "application/problem+json" in reply.headers.get("content-type", "")
    return _bare(reply) or (problem and not any(name in reply.text.lower() for name in names))


def _bare(reply: Reply) -> bool:
    """Whether it is one word: a bare one, or the one member of a JSON object."""
    found = reply.json()
    word = found["status"] if isinstance(found, dict) and set(found) == {"status"} else reply.text.strip()
    return isinstance(word, str) and word.isalpha()
