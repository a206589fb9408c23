"""The quota of a key: measured by using it up, not read from what the server says of itself."""

from __future__ import annotations

import secrets
import time

from harness import control, floor, in_time
from harness.policy.sections import Quota
from harness.principals import ApiKey
from harness.probes.message import Parts
from harness.probes.peer import Via
from harness.probes.ratelimit import retry_after_s
from harness.site import Site
from suites.middleware.limiters import (
    BY_CREDENTIAL,
    BY_FORWARDED,
    BY_METHOD,
    BY_PATH,
    BY_TENANT,
    FIXED_WINDOW,
    HASTY_RETRY_AFTER,
    LONG_WINDOW,
    ONE_LESS,
    ONE_MORE,
    PER_WORKER,
    RACE,
    SHORT_WINDOW,
)
from suites.middleware.quotas import errand, errands, spend, use

CONTROL = "middleware.security.rate-limit"


@control(CONTROL, intrusive=True, broken_by=(ONE_MORE, ONE_LESS))
def test_key_is_served_exactly_its_quota(site: Site) -> None:
    """A key's requests are served up to its quota, and the very next one is refused."""
    limit = site.policy.rate.key
    result = use(site, site.key(), limit.quota + 10, concurrency=1)
    in_time(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")

    served = [reply.ok for reply in result.replies]
    assert served == [True] * limit.quota + [False] * 10, (
        f"{served.count(True)} of {len(served)} requests in a window were served, not {limit.quota}"
    )
    assert result.statuses[429] == 10, f"what is over the quota gets 429, not {dict(result.statuses)}"


@control(CONTROL, intrusive=True, broken_by=(PER_WORKER, RACE))
def test_racing_requests_of_a_key_get_no_more_than_its_quota(site: Site) -> None:
    """Requests that race over many connections to all workers are served exactly the quota."""
    limit = site.policy.rate.key
    result = use(site, site.key(), 3 * limit.quota, concurrency=24)
    served = sum(reply.ok for reply in result.replies)
    in_time(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")
    floor(
        served + result.statuses[429] > limit.quota,
        f"too few requests were served or refused: {result.statuses}",
    )

    assert served == limit.quota, f"{served} racing requests were served, the quota is {limit.quota}"


@control(CONTROL, intrusive=True, broken_by=(FIXED_WINDOW, PER_WORKER))
def test_window_moves_so_that_no_edge_lets_two_quotas_in(site: Site) -> None:
    """Bursts before and after the window's end are served one quota together, not two."""
    limit, key = site.policy.rate.key, site.key()
    first = use(site, key, 1)
    site.demanded_wait(0.75 * limit.window_s, why="most of the window that the first request began")
    before = use(site, key, limit.quota - 1)
    floor(
        sum(r.ok for r in (*first.replies, *before.replies)) == limit.quota,
        f"the quota could not be used up: {before.statuses}",
    )
    end = first.began_s + first.elapsed_s + limit.window_s
    site.demanded_wait(end + 0.2 - time.perf_counter(), why="the end of that window")
    after = use(site, key, limit.quota)

    late = before.began_s + limit.window_s - after.began_s
    again = sum(hit.reply.ok for hit in after.hits if hit.done_s < late)
    in_time(len(after.hits) == limit.quota and after.elapsed_s < late, "the second burst took too long")
    assert again <= 1, f"{limit.quota - 1 + again} requests were served within one window around its edge"
    assert again == 1, "the request that has left the window makes no room for another"


@control(CONTROL, intrusive=True, broken_by=(SHORT_WINDOW, LONG_WINDOW, HASTY_RETRY_AFTER))
def test_used_up_quota_comes_back_when_promised_and_not_before(site: Site) -> None:
    """A key and an address that used their quotas up are served again when told, and not before."""
    method, path, body = errand(site)
    guess = site.contract.path("recordings.started")
    visitor = {"X-Forwarded-For": f"100.64.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}
    key = site.key()
    site.together(
        lambda: _comes_back(site, site.policy.rate.key, method, path, {"key": key, "json": body}),
        lambda: _comes_back(
            site, site.policy.rate.address, "POST", guess, {"headers": visitor}, proxied=True
        ),
    )


@control(CONTROL, intrusive=True, broken_by=(BY_PATH, BY_METHOD))
def test_one_quota_counts_every_route_and_method(site: Site) -> None:
    """A key that used its quota up on one route is refused on every other, whatever the method."""
    routes = errands(site)
    fresh = site.key()
    for method, path, body in routes:
        served = site.http.request(method, path, key=fresh, json=body)
        floor(served.ok, f"{method} {path} answers {served.status} to a fresh key")
    spent, until = spend(site)

    got = {
        f"{method} {path}": site.http.request(method, path, key=spent, json=body).status
        for method, path, body in routes
    }
    in_time(time.perf_counter() < until, "the window was over before every route was asked")
    assert set(got.values()) == {429}, f"a key that has used its quota up gets {got}"


@control(CONTROL, intrusive=True, broken_by=(BY_PATH, BY_FORWARDED))
def test_other_spelling_and_claimed_addresses_do_not_shed_the_quota(site: Site) -> None:
    """Other spellings of path and header names, and X-Forwarded-For, give a used-up key nothing."""
    fresh = site.key()
    method, path, body = errand(site)
    header = site.contract.http.auth_header
    tries: list[tuple[str, str, dict[str, str]]] = [(spelling, header, {}) for spelling in _spellings(path)]
    tries += [(path, name, {}) for name in (header.lower(), header.upper(), header.title())]
    tries += [(path, header, {name: "203.0.113.9"}) for name in ("X-Forwarded-For", "X-Real-IP", "Client-IP")]

    def served(key: ApiKey) -> list[str]:
        return [
            f"{spelling} by {name}, {more or 'nothing more'}"
            for spelling, name, more in tries
            if site.http.request(method, spelling, headers={name: key.value, **more}, json=body).ok
        ]

    floor(len(served(fresh)) >= 7, f"too few of {len(tries)} spellings are served to a fresh key")
    spent, until = spend(site)
    shed = served(spent)
    in_time(time.perf_counter() < until, "the window was over before every spelling was tried")
    assert not shed, f"a key that has used its quota up is served: {'; '.join(shed)}"


@control(CONTROL, intrusive=True, broken_by=BY_CREDENTIAL)
def test_token_draws_on_the_quota_of_its_key(site: Site) -> None:
    """A token is no second quota for the key it was issued to, nor the key one for the token."""
    key, other = site.key(), site.key()
    method, path, body = errand(site)
    began = time.perf_counter()
    token, others = site.tokens(key), site.tokens(other)  # which the quota of each has counted, too
    floor(site.http.request(method, path, token=others, json=body).ok, "a token opens nothing here")
    spend(site, key)

    status = site.http.request(method, path, token=token, json=body).status
    within = time.perf_counter() - began < site.policy.rate.key.window_s
    in_time(within, "the window was over before the token was tried")
    assert status == 429, f"the token of a key that has used its quota up gets {status}"
    assert site.http.request(method, path, token=others, json=body).ok, "another key's token is refused too"


@control(CONTROL, intrusive=True, broken_by=BY_TENANT)
def test_noisy_key_does_not_starve_another(site: Site) -> None:
    """While one key floods, another of the same tenant and address is served all it asks for."""
    noisy, quiet = site.key(), site.key()
    flood, calls = site.together(
        lambda: use(site, noisy, 3 * site.policy.rate.key.quota, concurrency=8),
        lambda: use(site, quiet, site.policy.rate.key.quota // 2, concurrency=1),
    )
    floor(flood.statuses[429], f"the flood was never refused: {flood.statuses}")

    assert all(reply.ok for reply in calls.replies), f"a quiet key's requests got {dict(calls.statuses)}"
    status = use(site, quiet, 1).replies[0].status
    assert status == 200, f"after the flood a quiet key gets {status}"


def _spellings(path: str) -> tuple[str, ...]:
    first = f"/%{ord(path[1]):02x}{path[2:]}"
    return (
        path,
        f"{path}?x=1",
        f"{path}?",
        first,
        f"{path}/",
        f"/{path}",
        f"/.{path}",
        path.upper(),
        f"{path};x",
    )


def _comes_back(
    site: Site, limit: Quota, method: str, path: str, parts: Parts, *, proxied: bool = False
) -> None:
    """Use a quota up and ask at intervals until it is back."""
    via: Via | None = "proxy" if proxied else None
    result = site.burst(limit.quota + 50, path, method=method, stop_at=429, via=via, **parts)
    refused = next((hit for hit in result.hits if hit.reply.status == 429), None)
    in_time(refused or result.elapsed_s < limit.window_s, f"{len(result.hits)} requests outlasted the window")
    assert refused, f"{len(result.hits)} requests in {result.elapsed_s:.1f} s, and none was refused with 429"
    told = result.began_s + refused.done_s + (retry_after_s(refused.reply) or 2 * limit.window_s)
    last = refused.done_s
    while True:
        site.demanded_wait(limit.window_s / 20, why="the window of a used-up quota")
        asked = time.perf_counter() - result.began_s
        reply = site.http.request(method, path, via=via, **parts)
        floor(reply, f"no answer: {reply.error}")
        if reply.status != 429:
            break
        last = asked
        late = asked + result.began_s - told
        assert late < 0, f"{late:.2f} s after the end of Retry-After it is still refused"
        told = min(told, time.perf_counter() + (retry_after_s(reply) or 2 * limit.window_s))
    back = time.perf_counter() - result.began_s
    assert back >= limit.window_s, f"served again {back:.2f} s after the first request of a used-up quota"
    in_time(last > 0.8 * limit.window_s, f"the last refusal was {last:.2f} s after the first request")
