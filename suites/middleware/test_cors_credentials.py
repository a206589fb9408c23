"""Credentials for listed origins only, never with `*`; as headers, and in a real browser."""

from __future__ import annotations

import secrets

from harness import control, defect, edit, floor, setting
from harness.probes.cors import FOREIGN, lets_send, listed_origin, lookalikes
from harness.probes.reply import Reply
from harness.site import Site

CORS = "panotti/middleware/cors.py"
ALLOWED = "access-control-allow-credentials"

STAR = edit(
    "any origin is granted, by a star, with credentials", CORS, "if self.any_origin:", "if origin[0]:"
)
REFLECTED = edit(
    "the request's origin is reflected, with credentials",
    CORS,
    "if origin[0] in self.origins:",
    "if origin[0]:",
)
UNLISTED = defect(
    "unlisted origins are told that credentials are allowed",
    edit(
        "",
        CORS,
        "                if granted:\n",
        f'                headers.append((b"{ALLOWED}", b"true"))\n                if granted:\n',
    ),
)
OFF = setting(title="credentials are off", CORS_CREDENTIALS="false")
NOT_ON_PREFLIGHTS = edit(
    "preflights do not allow credentials", CORS, 'b"%d" % max_age),\n            *grant,', 'b"%d" % max_age),'
)


def _told(reply: Reply) -> list[str]:
    return reply.headers.get_list(ALLOWED)


def _unlisted(site: Site) -> str:
    """An origin of the target's own site: SameSite cookies go along, so that only CORS keeps it out."""
    scheme = listed_origin(site.policy.cors.origins).partition(":")[0]
    return f"{scheme}://evil.{site.deployment.host_name}"


@control("middleware.cors.credentials", broken_by=(OFF, STAR, NOT_ON_PREFLIGHTS))
def test_a_listed_origin_is_granted_credentials_by_its_name(site: Site) -> None:
    """For a listed origin preflight and answer allow credentials, and name it instead of a star."""
    path, started = site.contract.path("health.simple"), site.contract.path("recordings.started")
    wanted = ["true"] if site.policy.cors.credentials else []
    for origin in site.policy.cors.origins:
        answer = site.http.get(path, origin=origin)
        floor(answer.ok, f"{path} answers {answer.status or answer.error}")
        for reply in (site.http.preflight(started, origin, "POST", ["x-api-key"]), answer):
            named = reply.headers.get("access-control-allow-origin")

            assert named == origin, f"{reply.status} to {origin} is granted to {named or 'nobody'}"
            assert _told(reply) == wanted, f"{reply.status} to {origin} says {_told(reply)}, not {wanted}"


@control("middleware.cors.credentials", broken_by=(UNLISTED, STAR, REFLECTED))
def test_no_other_origin_is_granted_credentials(site: Site) -> None:
    """No unlisted origin is granted credentials, and none a star, with a cookie or without."""
    path, cors = site.contract.path("health.simple"), site.policy.cors
    passed = site.http.preflight(path, listed_origin(cors.origins), "GET")
    assert lets_send(passed, listed_origin(cors.origins), "GET", credentials=cors.credentials), (
        "nobody is granted them"
    )
    origins = (FOREIGN, "null", _unlisted(site), *lookalikes(cors.origins)[:20])
    for origin in (origin for origin in origins if origin not in cors.origins):
        replies = (
            site.http.preflight(path, origin, "GET"),
            site.http.get(path, origin=origin),
            site.http.get(path, origin=origin, cookies={"session": "0123456789abcdef"}),
        )
        floor(all(replies), f"no answer to {origin}")

        assert not any(_told(reply) for reply in replies), f"{origin} is granted credentials"
        stars = [reply for reply in replies if reply.headers.get("access-control-allow-origin") == "*"]
        assert not stars, f"{origin} is granted access by a star"


@control("middleware.cors.credentials", broken_by=(OFF, STAR, NOT_ON_PREFLIGHTS))
def test_a_page_of_a_listed_origin_writes_and_reads_in_a_browser(site: Site) -> None:
    """In a real browser a listed page sends a request with credentials, and reads the answer."""
    path, key, recording = site.contract.path("recordings.started"), site.key(), secrets.token_hex(8)
    answer = site.browser.fetch(
        listed_origin(site.policy.cors.origins),
        path,
        method="POST",
        key=key,
        json={"recordingId": recording},
        credentials="include",
    )

    assert answer.readable == site.policy.cors.credentials, (
        f"the browser says: {answer.error or answer.status}"
    )
    if answer.readable:
        assert answer.status == 200, f"answered {answer.status}"
        assert recording in answer.body, "the answer is not that of this request"


@control("middleware.cors.credentials", broken_by=(REFLECTED, STAR))
def test_a_page_of_another_origin_reads_nothing_in_a_browser(site: Site) -> None:
    """In a real browser a foreign page reads nothing, with credentials or without."""
    path, listed = site.contract.path("health.simple"), listed_origin(site.policy.cors.origins)
    allowed = site.browser.fetch(listed, path)
    assert allowed.status == 200, f"a listed page reads nothing either: {allowed.error or allowed.status}"
    for origin in (_unlisted(site), "null"):
        with site.browser.page(origin) as page:
            answers = page.fetch(path), page.fetch(path, credentials="include")

        assert not any(answer.readable for answer in answers), f"a page of {origin} reads the answer"


@control("middleware.cors.credentials", broken_by=(REFLECTED, OFF), profiles=("production", "staging"))
def test_only_a_listed_page_reads_with_the_browsers_session(site: Site) -> None:
    """With a user logged in a listed page reads the session; its neighbour, cookie and all, does not."""
    path, session = site.contract.path("sessions.current"), site.login()
    listed, neighbour = (
        site.browser.fetch(origin, path, session=session, credentials="include")
        for origin in (listed_origin(site.policy.cors.origins), _unlisted(site))
    )

    assert (listed.status == 200) == site.policy.cors.credentials, (
        f"the listed page: {listed.error or listed.status}"
    )
    assert not neighbour.readable, f"a page of {_unlisted(site)} reads the session"
