"""The quota of an address, guesses at a key included: measured by using it up.

Behind the trusted proxy there are as many client addresses as wanted: no check waits for another's window.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv6Address
from typing import Final
from weakref import WeakKeyDictionary

from harness import control, edit, floor, in_time
from harness.probes.burst import BurstResult
from harness.probes.cors import lets_send, listed_origin
from harness.probes.peer import Via
from harness.site import Site
from suites.middleware.limiters import ONE_MORE, PER_WORKER, PREFLIGHTS_OUTERMOST, preflights_first

CONTROL = "middleware.security.rate-limit"
ADDRESSES = "panotti/middleware/addresses.py"
LIMITER = "panotti/middleware/ratelimit.py"
APP = "panotti/app.py"
EXEMPT = "            exempt=OPEN_PROBES,\n"
PREFIX = 'return str(IPv6Network((address, 64), strict=False)) if ":" in address else address'
# For the checks that only need an address without quota: one, and the time until which it has none.
USED_UP: Final[WeakKeyDictionary[Site, tuple[str, float]]] = WeakKeyDictionary()
TRIES: Final = 5
CLAIMS: Final = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
)

FIRST_ENTRY = edit(
    "the first entry of X-Forwarded-For is the client",
    ADDRESSES,
    "for entry in reversed(entries):",
    "for entry in entries:",
)
ANYBODY_FORWARDS = edit(
    "X-Forwarded-For counts from anybody", ADDRESSES, "        if proxied:", "        if proxied or address:"
)
BY_CLAIM = edit(
    "the address is what X-Real-IP says",
    LIMITER,
    '    address: str = scope["state"]["client"]',
    '    claimed = dict(scope["headers"]).get(b"x-real-ip", b"").decode()\n'
    '    address: str = claimed or scope["state"]["client"]',
)
BY_PROXY = edit(
    "everybody behind a proxy shares the proxy's quota",
    LIMITER,
    '    address: str = scope["state"]["client"]',
    '    address: str = scope["client"][0]',
)
NOTHING_EXEMPT = edit("probes are counted too", APP, EXEMPT, "            exempt=(),\n")
DETAIL_EXEMPT = edit(
    "no limit where the guarded detail takes a key", APP, EXEMPT, "            exempt=PROBES,\n"
)
LOGIN_EXEMPT = edit("no limit on logins", APP, EXEMPT, '            exempt=(*OPEN_PROBES, "/auth/login"),\n')
PREFLIGHTS_FIRST = preflights_first(
    "addresses are counted",
    'partial(\n            RateLimitMiddleware,\n            storage=counters,\n            name="address",',
)
EVERY_IPV6 = edit("every IPv6 address has a quota of its own", LIMITER, PREFIX, "return address")
WIDE_IPV6 = edit("all of an IPv6 /32 share one quota", LIMITER, PREFIX, PREFIX.replace("64", "32"))


@control(CONTROL, intrusive=True, broken_by=(PER_WORKER, ONE_MORE, FIRST_ENTRY))
def test_address_gets_exactly_its_quota(site: Site) -> None:
    """Racing guesses at a key get an address's quota through, whatever its X-Forwarded-For begins with."""
    limit = site.policy.rate.address
    visitor, result = _over(site, before="203.0.113.")
    USED_UP[site] = visitor, result.began_s + limit.window_s
    passed = _passed(result)
    floor(passed + result.statuses[429] > limit.quota, f"too few requests were answered: {result.statuses}")

    assert passed == limit.quota, f"{passed} requests of one address passed, the quota is {limit.quota}"


@control(CONTROL, intrusive=True, broken_by=BY_PROXY)
def test_noisy_address_does_not_starve_another(site: Site) -> None:
    """While one address behind the proxy has used its quota up, others behind it are served."""
    _, until = _used_up(site)
    key, path = site.key(), site.contract.path("recordings.started")
    others = [_somebody() for _ in range(5)]
    replies = [
        site.http.post(
            path, via="proxy", key=key, json={"recordingId": who}, headers={"X-Forwarded-For": who}
        )
        for who in others
    ]
    in_time(time.perf_counter() < until, "the window was over before the others were served")

    got = [reply.status for reply in replies]
    assert all(reply.ok for reply in replies), f"other addresses behind the same proxy get {got}"


@control(CONTROL, intrusive=True, broken_by=NOTHING_EXEMPT)
def test_exempt_paths_are_served_without_a_quota(site: Site) -> None:
    """Probes answer even an address that has used its quota up."""
    visitor, until = _used_up(site)
    got = {path: _ask(site, visitor, f"GET {path}") for path in site.policy.rate.exempt}
    in_time(time.perf_counter() < until, "the window was over before every path was asked")

    assert set(got.values()) == {200}, f"exempt paths answer {got}"


@control(CONTROL, intrusive=True, broken_by=(DETAIL_EXEMPT, LOGIN_EXEMPT))
def test_no_other_path_escapes_the_quota(site: Site) -> None:
    """Every path but the exempt ones refuses an address that has used its quota up, unknown ones too."""
    visitor, until = _used_up(site)
    exempt = {f"{method} {path}" for method in ("GET", "POST", "PUT") for path in site.policy.rate.exempt}
    routes = [route for route in site.policy.roles if route not in exempt]
    got = {
        route: _ask(site, visitor, route) for route in (*routes, "GET /no-such-path", "PATCH /health/detail")
    }
    in_time(time.perf_counter() < until, "the window was over before every path was asked")

    escaped = {route: status for route, status in got.items() if status != 429}
    assert not escaped, f"an address that has used its quota up gets {escaped}"


@control(CONTROL, intrusive=True, broken_by=(PREFLIGHTS_FIRST, PREFLIGHTS_OUTERMOST))
def test_preflights_are_counted(site: Site) -> None:
    """An address that has used its quota up gets no preflight through; a page can read the refusal."""
    visitor, until = _used_up(site)
    origin, path = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    other, over = (
        site.http.preflight(path, origin, "POST", extra={"X-Forwarded-For": who}, via="proxy")
        for who in (_somebody(), visitor)
    )
    in_time(time.perf_counter() < until, "the window was over before the preflight was answered")
    floor(lets_send(other, origin, "POST"), f"another address's preflight gets {other.status or other.error}")

    assert over.status == 429, f"a preflight of an address that has used its quota up gets {over.status}"
    granted = over.headers.get("access-control-allow-origin")
    assert granted == origin, f"the refusal is granted to {granted or 'nobody'}, not to {origin}"


# After the others: they are strangers too, and would find the quota used up.
@control(CONTROL, intrusive=True, fresh=True, broken_by=(ANYBODY_FORWARDS, BY_CLAIM))
def test_stranger_does_not_shed_its_address(site: Site) -> None:
    """Whoever is no trusted proxy is counted by its own address, whatever addresses its headers claim."""
    limit = site.policy.rate.address
    result = _as_stranger(site, limit.quota + 50)
    over = result.statuses[429]
    in_time(over or result.elapsed_s < limit.window_s, f"{len(result.hits)} requests outlast the window")
    floor(_passed(result), f"no request passed: {dict(result.statuses)}")
    assert over, f"{_passed(result)} requests of one address passed under forged addresses"

    got = {name: _while_used_up(site, {name: _claim(name)}) for name in CLAIMS}
    assert set(got.values()) == {429}, f"an address that has used its quota up gets {got}"


@control(CONTROL, intrusive=True, broken_by=(EVERY_IPV6, WIDE_IPV6))
def test_ipv6_callers_share_the_quota_of_their_network(site: Site) -> None:
    """Addresses of one IPv6 customer network share a quota; its neighbour has another."""
    limit, prefix = site.policy.rate.address, site.policy.addresses.ipv6_prefix
    # One bit decides between the network and its neighbour: the last of the prefix.
    network = (0x2A << 120) | (secrets.randbits(prefix - 9) << (129 - prefix))
    neighbour = network | 1 << (128 - prefix)

    def anywhere(base: int) -> str:
        return str(IPv6Address(base | secrets.randbits(128 - prefix)))

    result = _guess(site, limit.quota + 50, lambda _: anywhere(network), via="proxy", stop_at=429)
    in_time(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")
    passed = _passed(result)
    assert result.statuses[429], f"{passed} requests from addresses of one /{prefix} passed"
    assert passed == limit.quota, f"{passed} requests of one /{prefix} passed, the quota is {limit.quota}"
    status = _ask(site, anywhere(neighbour))
    assert status not in (0, 429), f"the neighbouring /{prefix} is refused with {status}"


def _somebody() -> str:
    """A client address that nobody used before."""
    return f"100.{64 + secrets.randbelow(32)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"


def _claim(name: str) -> str:
    return "for=100.96.1.1" if name == "Forwarded" else "100.96.1.1"


def _guess(
    site: Site, times: int, forwarded: Callable[[int], str], *, via: Via, stop_at: int | None = None
) -> BurstResult:
    """Requests without a key, which cost the server as little as they cost somebody who guesses at one."""
    return site.burst(
        times,
        site.contract.path("recordings.started"),
        method="POST",
        via=via,
        concurrency=24,  # so many that every worker gets some
        stop_at=stop_at,
        each=lambda i: {"headers": {"X-Forwarded-For": forwarded(i)}},
    )


def _as_stranger(site: Site, times: int) -> BurstResult:
    """Requests of one address that claims to be others, until one is refused."""
    return _guess(site, times, lambda i: f"100.65.{i // 250}.{i % 250}", via="stranger", stop_at=429)


def _while_used_up(site: Site, claim: Mapping[str, str]) -> int:
    """How a stranger with this header is answered that has no quota before, and none after it.

    What its address has used returns bit by bit: it is used up again for every question.
    """
    path, limit = site.contract.path("recordings.started"), site.policy.rate.address
    for _ in range(TRIES):
        _as_stranger(site, limit.quota)
        answer, after = (site.http.post(path, via="stranger", headers=h).status for h in (claim, {}))
        if after == 429:
            return answer
    in_time(False, "the quota came back faster than it was used up")
    return 0


def _over(site: Site, *, before: str = "", stop_at: int | None = None) -> tuple[str, BurstResult]:
    """An address that nobody used before, and its requests over its quota, within one window.

    before: what its X-Forwarded-For begins with.
    """
    limit, visitor = site.policy.rate.address, _somebody()
    forwarded = partial(_forwarded, before, visitor)
    result = _guess(site, limit.quota + 50, forwarded, via="proxy", stop_at=stop_at)
    in_time(result.elapsed_s < limit.window_s, f"{len(result.hits)} requests took longer than the window")
    return visitor, result


def _forwarded(before: str, visitor: str, number: int) -> str:
    return f"{before}{number % 250}, {visitor}" if before else visitor


def _passed(result: BurstResult) -> int:
    """How many requests the limit let through, to whatever answer but a failure."""
    return sum(0 < reply.status < 500 and reply.status != 429 for reply in result.replies)


def _used_up(site: Site) -> tuple[str, float]:
    """An address that has used its quota up, and the `time.perf_counter()` second until which it has none."""
    limit = site.policy.rate.address
    visitor, until = USED_UP.get(site, ("", 0.0))
    if until - time.perf_counter() < limit.window_s / 3:
        visitor, result = _over(site, stop_at=429)
        assert result.statuses[429], f"{_passed(result)} requests of one address passed, and none was refused"
        USED_UP[site] = visitor, until = visitor, result.began_s + limit.window_s
    status = _ask(site, visitor)
    floor(status == 429, f"an address that has used its quota up is not refused: {status}")
    return visitor, until


def _ask(site: Site, address: str, route: str = "") -> int:
    """The status of one request without a key, by default as `_guess` sends them."""
    method, _, path = (route or f"POST {site.contract.path('recordings.started')}").partition(" ")
    return site.http.request(method, path, via="proxy", headers={"X-Forwarded-For": address}).status
