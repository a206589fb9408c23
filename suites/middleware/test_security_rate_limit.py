"""The quota of a key: measured by using it up, not read from what the server says of itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from harness import control, edit, floor
from harness.policy.sections import Quota
from harness.principals import ApiKey
from harness.probes.burst import BurstResult
from harness.probes.message import Parts
from harness.probes.peer import Via
from harness.probes.ratelimit import QuotaPolicy, quota_policies, retry_after_s, service_limits
from harness.probes.reply import Reply
from harness.records import Json
from harness.site import Site

CONTROL = "middleware.security.rate-limit"
LIMITER = "panotti/middleware/ratelimit.py"
STORAGE = "panotti/ratelimit/storage.py"
COUNTED = """\
            passed = await self.storage.acquire_entry(key, self.quota, self.window)
            start, count = await self.storage.get_moving_window(key, self.quota, self.window)
"""
KEY_NAME = 'return f"key/{principal.key_id}"'

PER_WORKER = edit(
    "each worker counts for itself",
    "panotti/app.py",
    "    for layer in reversed(layers(settings, table, counters, in_flight)):",
    "    from limits.aio.storage import MemoryStorage\n\n"
    "    for layer in reversed(layers(settings, table, MemoryStorage(), in_flight)):",
)
ONE_MORE = edit(
    "one request over the quota passes",
    STORAGE,
    "self.count + self.amount <= self.limit",
    "self.count <= self.limit",
)
ONE_LESS = edit(
    "the last request of the quota is refused",
    STORAGE,
    "self.count + self.amount <= self.limit",
    "self.count + self.amount < self.limit",
)
RACE = edit(
    "tested first and counted later, so that racing requests all pass the test",
    LIMITER,
    COUNTED,
    "            import asyncio\n\n"
    "            start, count = await self.storage.get_moving_window(key, self.quota, self.window)\n"
    "            passed = count < self.quota\n"
    "            await asyncio.sleep(0.01)  # the round trip to a store\n"
    "            await self.storage.acquire_entry(key, self.quota, self.window)\n",
)
FIXED_WINDOW = edit(
    "a fixed window, so that two quotas fit around its edge",
    LIMITER,
    COUNTED,
    "            count = await self.storage.incr(key, self.window)\n"
    "            passed = count <= self.quota\n"
    "            start = await self.storage.get_expiry(key) - self.window\n",
)
SHORT_WINDOW = edit(
    "the window is a second too short",
    LIMITER,
    "self.window = ceil(window)",
    "self.window = ceil(window) - 1",
)
LONG_WINDOW = edit(
    "the window is a second longer than Retry-After says",
    STORAGE,
    "while gone < len(slices) and slices[gone][1] <= now - expiry:",
    "while gone < len(slices) and slices[gone][1] <= now - expiry - 1.5:",
)
NO_RETRY_AFTER = edit(
    "no Retry-After", LIMITER, '"Too Many Requests", detail, [retry])', '"Too Many Requests", detail)'
)
HASTY_RETRY_AFTER = edit(
    "Retry-After is always one second", LIMITER, '(b"retry-after", b"%d" % wait)', '(b"retry-after", b"1")'
)
NO_FIELDS_WHEN_REFUSED = edit(
    "no RateLimit fields on 429",
    LIMITER,
    "await send_problem(marked, scope, 429,",
    "await send_problem(send, scope, 429,",
)
MILLISECONDS = edit(
    "the window is announced in milliseconds",
    LIMITER,
    "% (quota, ceil(window))",
    "% (quota, ceil(window * 1000))",
)
STALE_REMAINDER = edit(
    "the remainder is the one before this request",
    LIMITER,
    "max(0, self.quota - count)",
    "max(0, self.quota - count + 1)",
)
BY_PATH = edit(
    "a quota for each path",
    LIMITER,
    "key = self.prefix + caller",
    'key = self.prefix + caller + scope["raw_path"].decode()',
)
BY_METHOD = edit(
    "a quota for each method",
    LIMITER,
    "key = self.prefix + caller",
    'key = self.prefix + caller + scope["method"]',
)
BY_FORWARDED = edit(
    "the key's quota is counted by X-Forwarded-For too",
    LIMITER,
    KEY_NAME,
    'return f"key/{principal.key_id}/" + str(dict(scope["headers"]).get(b"x-forwarded-for"))',
)
BY_CREDENTIAL = edit(
    "a token has a quota beside its key's",
    LIMITER,
    KEY_NAME,
    'return f"{principal.credential}/{principal.key_id}"',
)
BY_TENANT = edit(
    "all keys of a tenant share one quota", LIMITER, KEY_NAME, 'return f"tenant/{principal.tenant}"'
)


@control(CONTROL, intrusive=True, broken_by=(ONE_MORE, ONE_LESS))
def test_key_is_served_exactly_its_quota(site: Site) -> None:
    """A key's requests are served up to its quota, and the very next one is refused."""
    limit = site.policy.rate.key
    result = _use(site, site.key(), limit.quota + 10, concurrency=1)
    floor(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")

    served = [reply.ok for reply in result.replies]
    assert served == [True] * limit.quota + [False] * 10, (
        f"{served.count(True)} of {len(served)} requests in a window were served, not {limit.quota}"
    )
    assert result.statuses[429] == 10, f"what is over the quota gets 429, not {dict(result.statuses)}"


@control(CONTROL, intrusive=True, broken_by=(PER_WORKER, RACE))
def test_racing_requests_of_a_key_get_no_more_than_its_quota(site: Site) -> None:
    """Requests that race over many connections to all workers are served exactly the quota."""
    limit = site.policy.rate.key
    result = _use(site, site.key(), 3 * limit.quota, concurrency=24)
    served = sum(reply.ok for reply in result.replies)
    floor(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")
    floor(
        served + result.statuses[429] > limit.quota,
        f"too few requests were served or refused: {result.statuses}",
    )

    assert served == limit.quota, f"{served} racing requests were served, the quota is {limit.quota}"


@control(CONTROL, intrusive=True, broken_by=(FIXED_WINDOW, PER_WORKER))
def test_window_moves_so_that_no_edge_lets_two_quotas_in(site: Site) -> None:
    """Bursts before and after the window's end are served one quota together, not two."""
    limit, key = site.policy.rate.key, site.key()
    first = _use(site, key, 1)
    site.demanded_wait(0.75 * limit.window_s, why="most of the window that the first request began")
    before = _use(site, key, limit.quota - 1)
    floor(
        sum(r.ok for r in (*first.replies, *before.replies)) == limit.quota,
        f"the quota could not be used up: {before.statuses}",
    )
    end = first.began_s + first.elapsed_s + limit.window_s
    site.demanded_wait(end + 0.2 - time.perf_counter(), why="the end of that window")
    after = _use(site, key, limit.quota)

    late = before.began_s + limit.window_s - after.began_s
    again = sum(hit.reply.ok for hit in after.hits if hit.done_s < late)
    floor(len(after.hits) == limit.quota and after.elapsed_s < late, "the second burst took too long")
    assert again <= 1, f"{limit.quota - 1 + again} requests were served within one window around its edge"
    assert again == 1, "the request that has left the window makes no room for another"


@control(CONTROL, intrusive=True, broken_by=(SHORT_WINDOW, LONG_WINDOW, HASTY_RETRY_AFTER))
def test_used_up_quota_comes_back_when_promised_and_not_before(site: Site) -> None:
    """A key and an address that used their quotas up are served again when told, and not before."""
    method, path, body = _errand(site)
    guess = site.contract.path("recordings.started")
    visitor = {"X-Forwarded-For": f"100.64.{secrets.randbelow(256)}.{secrets.randbelow(256)}"}
    key = site.key()
    site.together(
        lambda: _comes_back(site, site.policy.rate.key, method, path, {"key": key, "json": body}),
        lambda: _comes_back(
            site, site.policy.rate.address, "POST", guess, {"headers": visitor}, proxied=True
        ),
    )


@control(CONTROL, intrusive=True, broken_by=(NO_RETRY_AFTER, HASTY_RETRY_AFTER, NO_FIELDS_WHEN_REFUSED))
def test_refusal_tells_when_to_come_back(site: Site) -> None:
    """A 429 says Retry-After and RateLimit, and Retry-After is not earlier than the limit's reset."""
    limit = site.policy.rate.key
    refusal = _refusal(_use(site, site.key(), limit.quota + 10, stop_at=429), limit)

    wait = retry_after_s(refusal)
    assert wait is not None, f"429 carries no Retry-After in seconds: {refusal.headers.get('retry-after')!r}"
    used_up = [member for member in service_limits(refusal) if member.remaining == 0]
    assert used_up, f"no RateLimit member of the 429 has nothing left: {refusal.headers.get('ratelimit')!r}"
    resets = max(member.reset_s for member in used_up)
    assert wait >= resets, f"Retry-After says {wait} s, RateLimit says {resets} s"
    assert wait <= limit.window_s, f"Retry-After says {wait} s, the window is {limit.window_s:g} s"
    announced = {member.name for member in quota_policies(refusal)}
    assert {member.name for member in used_up} <= announced, "the 429 does not carry its RateLimit-Policy"


@control(CONTROL, intrusive=True, broken_by=(MILLISECONDS, STALE_REMAINDER))
def test_fields_agree_with_the_quota_that_was_measured(site: Site) -> None:
    """RateLimit-Policy announces the quota that holds, and RateLimit counts down what is left of it."""
    limit = site.policy.rate.key
    result = _use(site, site.key(), limit.quota + 1, concurrency=1)
    served = [reply for reply in result.replies if reply.ok]
    floor(served, f"no request was served: {result.statuses}")

    for reply in result.replies:
        assert _announced(reply, limit), (
            f"RateLimit-Policy announces {reply.headers.get('ratelimit-policy')!r}, "
            f"not {limit.quota} in {limit.window_s:g} s"
        )
    name = _announced(served[0], limit)[0].name
    left = [[m.remaining for m in service_limits(reply) if m.name == name] for reply in served]
    right = [[len(served) - 1 - number] for number in range(len(served))]
    wrong = next((n for n, (told, true) in enumerate(zip(left, right, strict=True)) if told != true), None)
    assert wrong is None, (
        f"after {wrong + 1 if wrong is not None else 0} of {len(served)}: r={left[wrong or 0]}"
    )


@control(CONTROL, intrusive=True, broken_by=(BY_PATH, BY_METHOD))
def test_one_quota_counts_every_route_and_method(site: Site) -> None:
    """A key that used its quota up on one route is refused on every other, whatever the method."""
    routes = _routes(site)
    fresh = site.key()
    for method, path, body in routes:
        served = site.http.request(method, path, key=fresh, json=body)
        floor(served.ok, f"{method} {path} answers {served.status} to a fresh key")
    spent, until = _spent(site)

    got = {
        f"{method} {path}": site.http.request(method, path, key=spent, json=body).status
        for method, path, body in routes
    }
    floor(time.perf_counter() < until, "the window was over before every route was asked")
    assert set(got.values()) == {429}, f"a key that has used its quota up gets {got}"


@control(CONTROL, intrusive=True, broken_by=(BY_PATH, BY_FORWARDED))
def test_other_spelling_and_claimed_addresses_do_not_shed_the_quota(site: Site) -> None:
    """Other spellings of path and header names, and X-Forwarded-For, give a used-up key nothing."""
    fresh = site.key()
    method, path, body = _errand(site)
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
    spent, until = _spent(site)
    shed = served(spent)
    floor(time.perf_counter() < until, "the window was over before every spelling was tried")
    assert not shed, f"a key that has used its quota up is served: {'; '.join(shed)}"


@control(CONTROL, intrusive=True, broken_by=BY_CREDENTIAL)
def test_token_draws_on_the_quota_of_its_key(site: Site) -> None:
    """A token is no second quota for the key it was issued to, nor the key one for the token."""
    key, other = site.key(), site.key()
    method, path, body = _errand(site)
    token, others = site.tokens(key), site.tokens(other)
    floor(site.http.request(method, path, token=others, json=body).ok, "a token opens nothing here")
    _, until = _spent(site, key)

    status = site.http.request(method, path, token=token, json=body).status
    floor(time.perf_counter() < until, "the window was over before the token was tried")
    assert status == 429, f"the token of a key that has used its quota up gets {status}"
    assert site.http.request(method, path, token=others, json=body).ok, "another key's token is refused too"


@control(CONTROL, intrusive=True, broken_by=BY_TENANT)
def test_noisy_key_does_not_starve_another(site: Site) -> None:
    """While one key floods, another of the same tenant and address is served all it asks for."""
    noisy, quiet = site.key(), site.key()
    flood, calls = site.together(
        lambda: _use(site, noisy, 3 * site.policy.rate.key.quota, concurrency=8),
        lambda: _use(site, quiet, site.policy.rate.key.quota // 2, concurrency=1),
    )
    floor(flood.statuses[429], f"the flood was never refused: {flood.statuses}")

    assert all(reply.ok for reply in calls.replies), f"a quiet key's requests got {dict(calls.statuses)}"
    status = _use(site, quiet, 1).replies[0].status
    assert status == 200, f"after the flood a quiet key gets {status}"


def _errand(site: Site) -> tuple[str, str, Json]:
    """The cheapest request that a key opens: a listing, else a write of the public contract."""
    if site.contract.capability("recordings").list is not None:
        return "GET", site.contract.path("recordings.list"), None
    return "POST", site.contract.path("recordings.started"), {"recordingId": f"rate-{secrets.token_hex(6)}"}


def _routes(site: Site) -> list[tuple[str, str, Json]]:
    """Method, path and body of requests that a key opens, whatever more than the public contract there is."""
    files: dict[str, Json] = {"systemAudioPath": "/s.wav", "microphoneAudioPath": "/m.wav", "metadata": {}}
    recording: dict[str, Json] = {"recordingId": f"rate-{secrets.token_hex(6)}"}
    more = [("GET", "version", "version.path"), ("POST", "tokens", "tokens.issue")]
    present = site.contract.present
    return [
        _errand(site),
        ("POST", site.contract.path("recordings.started"), recording),
        ("POST", site.contract.path("recordings.ended"), recording | files),
        *((method, site.contract.path(dotted), None) for method, has, dotted in more if has in present),
    ]


def _use(
    site: Site, key: ApiKey, times: int, *, concurrency: int = 4, stop_at: int | None = None
) -> BurstResult:
    method, path, body = _errand(site)
    return site.burst(
        times, path, method=method, json=body, key=key, concurrency=concurrency, stop_at=stop_at
    )


def _refusal(result: BurstResult, limit: Quota) -> Reply:
    """The first refusal of a burst over the quota."""
    served = sum(reply.ok for reply in result.replies)
    floor(served, f"no request was served: {dict(result.statuses)}")
    refused = result.of(429)
    floor(refused or result.elapsed_s < limit.window_s, f"{served} requests took longer than the window")
    assert refused, f"{served} requests in {result.elapsed_s:.1f} s, and none was refused with 429"
    return refused[0]


def _spent(site: Site, key: ApiKey | None = None) -> tuple[ApiKey, float]:
    """A key that has used its quota up, and the `time.perf_counter()` second until which that holds."""
    key, limit = key or site.key(), site.policy.rate.key
    result = _use(site, key, limit.quota + 10, stop_at=429)
    _refusal(result, limit)
    return key, result.began_s + limit.window_s


def _announced(reply: Reply, limit: Quota) -> Sequence[QuotaPolicy]:
    right = (limit.quota, limit.window_s)
    return [member for member in quota_policies(reply) if (member.quota, member.window_s) == right]


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
    floor(refused or result.elapsed_s < limit.window_s, f"{len(result.hits)} requests outlasted the window")
    assert refused, f"{len(result.hits)} requests in {result.elapsed_s:.1f} s, and none was refused with 429"
    told = result.began_s + refused.done_s + (retry_after_s(refused.reply) or 2 * limit.window_s)
    last = 0.0
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
    floor(last > 0.8 * limit.window_s, f"the last refusal was {last:.2f} s after the first request")
