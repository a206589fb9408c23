"""Exactly the listed origins are granted access: on preflights, requests and errors, and with a cookie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness import control, defect, edit, floor, in_time, setting
from harness.policy import load_policies
from harness.probes.cors import FOREIGN, lets_read, lets_send, listed_origin, lookalikes, varies_by_origin
from harness.probes.reply import Reply
from harness.site import Site
from suites.middleware.limiters import PREFLIGHTS_OUTERMOST, preflights_first
from suites.middleware.rigged import RIGGED

CORS = "panotti/middleware/cors.py"
COMPARED = "if origin[0] in self.origins:"
GRANTED = "granted = self._grant(origin)"
MARKED = 'append(headers, b"vary", vary)'
ANY = '((b"access-control-allow-origin", origin[0]),)'

REFLECTED = edit("the request's origin is reflected", CORS, COMPARED, "if origin[0]:")
LEFT_OUT = setting(title="a listed origin is left out", CORS_ORIGINS="https://app.panotti.test")
OPEN_ROUTE = edit(
    "one route is open to any origin",
    CORS,
    GRANTED,
    f'{GRANTED} or ({ANY} if origin and scope["path"] == "/auth/session" else ())',
)
STAGINGS = setting(
    title="staging's origin is listed in production",
    CORS_ORIGINS="https://app.panotti.test,https://admin.panotti.test,https://app.staging.panotti.test",
)
UNESCAPED_DOT = defect(
    "origins are patterns with unescaped dots",
    edit("", CORS, "from collections.abc", "import re\nfrom collections.abc"),
    edit("", CORS, COMPARED, "if any(re.fullmatch(listed, origin[0]) for listed in self.origins):"),
)
SUFFIX = edit(
    "origins are compared by their end",
    CORS,
    COMPARED,
    'if origin[0].endswith(tuple(listed.partition(b"//")[2] for listed in self.origins)):',
)
PREFIX = edit(
    "origins are compared by their beginning",
    CORS,
    COMPARED,
    "if origin[0].startswith(tuple(self.origins)):",
)
HOST_ONLY = defect(
    "only the host of an origin is compared",
    edit("", CORS, "from starlette.types", "from urllib.parse import urlsplit\nfrom starlette.types"),
    edit(
        "", CORS, COMPARED, "if urlsplit(origin[0]).hostname in {urlsplit(o).hostname for o in self.origins}:"
    ),
)
ANY_CASE = edit("origins are compared in any case", CORS, COMPARED, "if origin[0].lower() in self.origins:")
NULL = edit("the origin null is listed", CORS, COMPARED, f'{COMPARED[:-1]} or origin[0] == b"null":')
# What Starlette's middleware does where any origin is allowed.
COOKIE = edit(
    "with a cookie the request's origin is reflected",
    CORS,
    GRANTED,
    f'{GRANTED} or ({ANY} if origin and values(scope, b"cookie") else ())',
)
NOT_ON_ERRORS = edit(
    "errors carry no grant", CORS, "if granted:\n", 'if granted and message["status"] < 400:\n'
)
INSIDE = defect(
    "the error handler stands outside of the cross-origin layer",
    edit("", "panotti/app.py", "        partial(ErrorsMiddleware),\n", ""),
    edit(
        "",
        "panotti/app.py",
        "        partial(\n            CorsMiddleware,",
        "        partial(ErrorsMiddleware),\n        partial(\n            CorsMiddleware,",
    ),
)
ERRORS_REFLECT = edit(
    "errors reflect the request's origin",
    CORS,
    "                if granted:\n",
    '                if origin and not granted and message["status"] >= 400:\n'
    f"                    headers += {ANY}\n"
    "                if granted:\n",
)
PREFLIGHTS_FIRST = preflights_first("hosts are looked at", "partial(HostsMiddleware,")
NO_VARY = edit("no answer says that it varies", CORS, MARKED, "pass")
NO_VARY_ON_PREFLIGHTS = edit(
    "preflights do not say that they vary", CORS, 'PREFLIGHT_VARY = b"Origin, ', 'PREFLIGHT_VARY = b"'
)
VARY_WHEN_GRANTED = edit("only granted answers say that they vary", CORS, MARKED, f"if granted: {MARKED}")
NO_VARY_ON_ERRORS = edit(
    "errors do not say that they vary", CORS, MARKED, f'if message["status"] < 400: {MARKED}'
)


def _grants(reply: Reply) -> list[str]:
    return reply.headers.get_list("access-control-allow-origin")


def _answers(
    site: Site, origins: Sequence[str], cookies: Mapping[str, str] | None = None
) -> dict[str, list[Reply]]:
    """The answers to a preflight and to a request from each origin, after a request from a listed one."""
    path = site.contract.path("health.simple")
    for listed in site.policy.cors.origins[:1]:
        reply = site.http.get(path, origin=listed, cookies=cookies)
        floor(reply.ok, f"{path} answers {reply.status or reply.error}")
        assert lets_read(reply, listed), f"the listed {listed} is not granted either"
    answers: dict[str, list[Reply]] = {origin: [] for origin in origins}
    for method in ("OPTIONS", "GET"):
        burst = site.burst(
            len(origins),
            path,
            method=method,
            concurrency=4,
            headers={"Access-Control-Request-Method": "GET"},
            cookies=cookies,
            each=lambda number: {"origin": origins[number]},
        )
        for hit in burst.hits:
            answers[origins[hit.number]].append(hit.reply)
    silent = [origin for origin, replies in answers.items() if len([r for r in replies if r]) < 2]
    floor(not silent, f"no answer to Origin {silent[:5]}")
    limited = [reply for replies in answers.values() for reply in replies if reply.status in (429, 503)]
    floor(not limited, f"{len(limited)} of them were refused for their number")
    return answers


def _wrongly_granted(
    site: Site, origins: Sequence[str], cookies: Mapping[str, str] | None = None
) -> list[str]:
    answers = _answers(site, origins, cookies)
    return [origin for origin, replies in answers.items() if any(_grants(reply) for reply in replies)]


def _decided(site: Site, replies: Mapping[str, Reply]) -> None:
    """Hold answers of one kind, by the origin of their requests, against the policy."""
    for origin, reply in replies.items():
        expected = [origin] if origin in site.policy.cors.origins else []
        assert _grants(reply) == expected, (
            f"{reply.status} to {origin}: granted {_grants(reply)}, not {expected}"
        )
        assert varies_by_origin(reply), f"{reply.status} to {origin}: no Vary: Origin"


@control("middleware.cors.origins", broken_by=(LEFT_OUT, NOT_ON_ERRORS))
def test_every_listed_origin_is_granted(site: Site) -> None:
    """Every listed origin is granted, by itself, on preflights, requests and refusals."""
    path, started = site.contract.path("health.simple"), site.contract.path("recordings.started")
    listed_origin(site.policy.cors.origins)
    for origin in site.policy.cors.origins:
        preflight = site.http.preflight(started, origin, "POST", ["content-type"])
        request, refused = site.http.get(path, origin=origin), site.http.post(started, json={}, origin=origin)
        floor(request.ok, f"{path} answers {request.status or request.error}")

        assert lets_send(preflight, origin, "POST", ["content-type"]), f"no preflight passes from {origin}"
        assert {(*_grants(reply),) for reply in (preflight, request, refused)} == {(origin,)}, (
            f"{origin}: {[(reply.status, _grants(reply)) for reply in (preflight, request, refused)]}"
        )


@control("middleware.cors.origins", broken_by=(REFLECTED, OPEN_ROUTE))
def test_a_foreign_origin_is_granted_nothing_on_any_route(site: Site) -> None:
    """A page on a foreign origin reads no route's answer, and gets no preflight through."""
    assert not _wrongly_granted(site, [FOREIGN]), f"{FOREIGN} is granted"
    for route in site.policy.roles:
        method, _, path = route.partition(" ")
        url = site.contract.filled(path)
        preflight = site.http.preflight(url, FOREIGN, method)
        request = site.http.request(method, url, origin=FOREIGN)
        floor(preflight and request, f"{route}: no answer")

        assert not _grants(preflight), f"the preflight of {route} grants {_grants(preflight)}"
        assert not _grants(request), f"{route} grants {_grants(request)}"


@control("middleware.cors.origins", broken_by=(REFLECTED, UNESCAPED_DOT, SUFFIX, PREFIX, HOST_ONLY, ANY_CASE))
def test_no_lookalike_of_a_listed_origin_is_granted(site: Site) -> None:
    """Sub- and superstrings, other schemes, ports and spellings of a listed origin are foreign origins."""
    granted = _wrongly_granted(site, lookalikes(site.policy.cors.origins))

    assert not granted, f"{len(granted)} of them are granted: {', '.join(granted[:8])}"


@control("middleware.cors.origins", broken_by=(NULL, REFLECTED))
def test_the_origin_null_is_granted_nothing(site: Site) -> None:
    """A sandboxed page, whose origin is null, is a foreign page."""
    granted = _wrongly_granted(
        site, ["null", "NULL", "file://", "about:blank", "data:text/html", "undefined"]
    )

    assert not granted, f"granted: {', '.join(granted)}"


@control("middleware.cors.origins", broken_by=(PREFLIGHTS_FIRST, PREFLIGHTS_OUTERMOST))
def test_a_preflight_for_a_foreign_host_is_granted_nothing(site: Site) -> None:
    """A preflight that names another host is refused as any request is: nothing may be sent there."""
    origin, path = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    own, foreign = (
        site.http.preflight(path, origin, "POST", extra=extra)
        for extra in ({}, {"Host": "foreign.panotti.invalid"})
    )
    floor(lets_send(own, origin, "POST"), f"a preflight for the own host gets {own.status or own.error}")

    assert foreign.status in (400, 421), (
        f"a preflight for a foreign host gets {foreign.status or foreign.error}"
    )
    assert not lets_send(foreign, origin, "POST"), "a preflight for a foreign host is granted"


@control("middleware.cors.origins", broken_by=STAGINGS)
def test_another_environments_origins_are_foreign_here(site: Site) -> None:
    """The origins of the other environments are granted nothing."""
    listed = site.policy.cors.origins
    others = {o for policy in load_policies().values() for o in policy.cors.origins if o not in listed}
    granted = _wrongly_granted(site, sorted(others))

    assert not granted, f"granted: {', '.join(granted)}"


@control("middleware.cors.origins", broken_by=COOKIE)
def test_a_cookie_widens_no_grant(site: Site) -> None:
    """With a cookie the same origins are granted as without one."""
    sessions = site.contract.capabilities.sessions
    cookies = {sessions.cookie if sessions else "session": "0123456789abcdef"}
    granted = _wrongly_granted(site, [*lookalikes(site.policy.cors.origins)[:60], "null"], cookies)

    assert not granted, f"with a cookie {len(granted)} are granted: {', '.join(granted[:8])}"


@control("middleware.cors.origins", broken_by=(NOT_ON_ERRORS, ERRORS_REFLECT, NO_VARY_ON_ERRORS))
def test_a_refusal_is_decided_like_any_answer(site: Site) -> None:
    """401, 404 and 422 are granted to the listed origins and to nobody else, and say that they vary."""
    key, started = site.key(), site.contract.path("recordings.started")
    for status in (401, 404, 422):
        replies = {
            origin: site.http.post(
                f"{started}/nowhere" if status == 404 else started,
                key=None if status == 401 else key,
                json={"recordingId": "refused"} if status == 401 else {},
                origin=origin,
            )
            for origin in (*site.policy.cors.origins, FOREIGN)
        }
        got = {reply.status for reply in replies.values()}
        floor(got <= {status, 403 if status == 401 else status}, f"{status} could not be provoked: {got}")

        _decided(site, replies)


@control("middleware.cors.origins", broken_by=(NOT_ON_ERRORS, NO_VARY_ON_ERRORS), intrusive=True)
def test_a_used_up_quota_is_answered_like_any_request(site: Site) -> None:
    """429 is granted to the listed origins and to nobody else, and says that it varies."""
    floor(site.contract.capabilities.administration, "there is no key whose quota may be used up")
    key, started = site.key(), site.contract.path("recordings.started")
    quota = site.policy.rate.key.quota
    burst = site.burst(2 * quota, started, method="POST", key=key, json={}, stop_at=429)
    in_time(burst.of(429), f"no 429 within {len(burst.hits)} requests of one key")
    replies = {
        origin: site.http.post(started, key=key, json={}, origin=origin)
        for origin in (*site.policy.cors.origins, FOREIGN)
    }
    got = {reply.status for reply in replies.values()}
    in_time(got == {429}, f"the quota did not stay used up: {got}")

    _decided(site, replies)


@control("middleware.cors.origins", setup=RIGGED, broken_by=(INSIDE, NOT_ON_ERRORS, NO_VARY_ON_ERRORS))
def test_a_failure_is_answered_like_any_request(site: Site) -> None:
    """500 is granted to the listed origins and to nobody else, and says that it varies."""
    path, key = site.contract.path("version.path"), site.key()
    replies = {
        origin: site.http.get(path, key=key, origin=origin) for origin in (*site.policy.cors.origins, FOREIGN)
    }
    got = {reply.status for reply in replies.values()}
    floor(got == {500}, f"no failure was provoked: {got}")

    _decided(site, replies)


@control("middleware.cors.origins", broken_by=(NO_VARY, NO_VARY_ON_PREFLIGHTS, VARY_WHEN_GRANTED))
def test_every_answer_that_depends_on_the_origin_says_so(site: Site) -> None:
    """Granted or not, preflight or not, with an Origin or without: the answer carries Vary: Origin."""
    path, listed = site.contract.path("health.simple"), listed_origin(site.policy.cors.origins)
    assert lets_read(site.http.get(path, origin=listed), listed), "no answer depends on the origin"
    for origin in (listed, FOREIGN, "null"):
        preflight, answer = site.http.preflight(path, origin, "GET"), site.http.get(path, origin=origin)

        assert varies_by_origin(preflight), f"not on a preflight from {origin}"
        assert varies_by_origin(answer), f"not on an answer to {origin}"
    assert varies_by_origin(site.http.get(path)), "not on an answer to a request without Origin"
