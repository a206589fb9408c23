"""Allow and deny lists act on the true client: the peer, or whom the trusted proxy names."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address

from harness import control, edit, floor, not_applicable, setting
from harness.probes.cors import lets_send, listed_origin
from harness.probes.peer import Via
from harness.records import Json
from harness.site import Site
from suites.middleware.limiters import PREFLIGHTS_OUTERMOST, preflights_first

CONTROL = "middleware.security.ip-filter"
ADDRESSES = "panotti/middleware/addresses.py"
APP = "panotti/app.py"

DENY_IGNORED = edit("the deny list is not handed to the filter", APP, "deny=settings.ip_deny,", "deny=(),")
ALLOW_IGNORED = edit(
    "the allow list is not handed to the filter", APP, "allow=settings.ip_allow,", "allow=(),"
)
HEALTH_OPEN = edit(
    "what begins like a probe passes the filter",
    ADDRESSES,
    "        if permitted:",
    '        if permitted or scope["path"].startswith("/health"):',
)
PEER_ONLY = edit(
    "the lists are held against the proxy, not the client behind it",
    ADDRESSES,
    "permitted = permitted and self._permitted(address)",
    "pass",
)
FIRST_ENTRY = edit(
    "the first entry of X-Forwarded-For is the client",
    ADDRESSES,
    "for entry in reversed(entries):",
    "for entry in entries:",
)
LAST_ENTRY = edit(
    "the last entry is the client, even where it is a proxy",
    ADDRESSES,
    "            if address not in self.trusted:\n",
    "            if address:\n",
)
FIRST_FIELD = edit(
    "only the first X-Forwarded-For field is read",
    ADDRESSES,
    'b",".join(values(scope, b"x-forwarded-for"))',
    'b",".join(values(scope, b"x-forwarded-for")[:1])',
)
ANYBODY_FORWARDS = edit(
    "X-Forwarded-For counts from anybody", ADDRESSES, "        if proxied:", "        if proxied or address:"
)
CLAIMED_PEER = edit(
    "the peer is what X-Real-IP says",
    ADDRESSES,
    "self._remembered(peer)",
    'self._remembered(b"".join(values(scope, b"x-real-ip")).decode("latin-1") or peer)',
)
MAPPED_APART = edit(
    "a v4-mapped address is not the IPv4 address it maps",
    ADDRESSES,
    "        return address.ipv4_mapped",
    "        return address",
)
PORT_UNREAD = edit(
    "an address with a port is not read", ADDRESSES, 'elif text.count(":") == 1:', 'elif text == ":":'
)
MAPPED_RANGE_DEAD = edit(
    "a v4-mapped range of a list matches nothing",
    ADDRESSES,
    "network.prefixlen >= 96:",
    "network.prefixlen > 128:",
)
EXACT_ONLY = edit(
    "a range matches its first address only",
    ADDRESSES,
    "any(address in network for",
    "any(address == network.network_address for",
)
ALLOW_WINS = edit(
    "what is allowed is not denied any more",
    ADDRESSES,
    "        if address in self.deny:",
    "        if address in self.deny and address not in self.allow:",
)
PREFLIGHTS_FIRST = preflights_first("addresses are looked at", "partial(\n            AddressesMiddleware,")
LISTS = setting(
    title="allow and deny lists of ranges",
    IP_ALLOW="127.0.0.1,${direct},${stranger},203.0.113.0/24,::ffff:198.51.100.0/120,2001:db8:a::/48",
    IP_DENY="${denied},203.0.113.128/25,::ffff:198.51.100.128/121,2001:db8:a:bad::/64",
)


@control(CONTROL, broken_by=(DENY_IGNORED, HEALTH_OPEN))
def test_denied_address_is_refused_whatever_it_asks(site: Site) -> None:
    """A denied peer gets the policy's refusal for every path, with a right key too; a stranger is served."""
    key, refused = site.key(), site.policy.addresses.refused_status
    health, started = site.contract.path("health.simple"), site.contract.path("recordings.started")
    body: Json = {"recordingId": "ip-filter"}
    tries = (("GET", health, None), ("POST", started, body), ("GET", "/no-such", None))

    def ask(via: Via) -> list[int]:
        return [site.http.request(m, path, key=key, json=body, via=via).status for m, path, body in tries]

    served = ask("stranger")
    floor(served[:2] == [200, 200] and served[2] == 404, f"a stranger gets {served}")
    for name in site.policy.addresses.denied:
        got = ask(name)
        assert set(got) == {refused}, f"the address '{name}' is denied and gets {got}, not {refused}"


@control(CONTROL, broken_by=(PREFLIGHTS_FIRST, PREFLIGHTS_OUTERMOST))
def test_denied_address_gets_no_preflight_through(site: Site) -> None:
    """A preflight from a denied peer, or client behind the proxy, gets the policy's refusal, not a grant."""
    origin, path = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    refused = site.policy.addresses.refused_status
    passed = site.http.preflight(path, origin, "POST", via="stranger")
    floor(lets_send(passed, origin, "POST"), f"a stranger's preflight gets {passed.status or passed.error}")
    for name in site.policy.addresses.denied:
        reply = site.http.preflight(path, origin, "POST", via=name)
        assert not lets_send(reply, origin, "POST"), f"a preflight from '{name}', which is denied, is granted"
        assert reply.status == refused, f"a preflight from '{name}', which is denied, gets {reply.status}"

    forwarded = {"X-Forwarded-For": _address(site, "denied")}
    reply = site.http.preflight(path, origin, "POST", extra=forwarded, via="proxy")
    assert reply.status == refused, f"a denied client's preflight behind the proxy gets {reply.status}"
    assert reply.headers.get("access-control-allow-origin") == origin, "a page cannot read the refusal"


@control(CONTROL, broken_by=(DENY_IGNORED, PEER_ONLY))
def test_denied_client_is_refused_behind_the_proxy(site: Site) -> None:
    """The lists are held against the client that the trusted proxy names, not against the proxy."""
    denied, stranger = _address(site, "denied"), _address(site, "stranger")
    _served(site, "", stranger)
    _refused(site, denied)


@control(CONTROL, broken_by=(FIRST_ENTRY, LAST_ENTRY, FIRST_FIELD))
def test_client_is_the_rightmost_entry_that_is_no_proxy(site: Site) -> None:
    """What stands left of the rightmost untrusted entry counts for nothing: the client wrote it."""
    denied, stranger, proxy = (_address(site, name) for name in ("denied", "stranger", "proxy"))
    _served(site, f"{denied}, {stranger}", f"{denied}, {stranger}, {proxy}", f"{denied},{stranger}")
    _refused(
        site,
        f"{stranger}, {denied}",
        f"{stranger}, {denied}, {proxy}",
        f"{stranger},{denied},{proxy},{proxy}",
    )

    fields = [("X-Forwarded-For", stranger), ("X-Forwarded-For", denied)]
    status = site.http.get(site.contract.path("health.simple"), via="proxy", headers=fields).status
    assert status == site.policy.addresses.refused_status, f"a denied client in a second field gets {status}"


@control(CONTROL, broken_by=(ANYBODY_FORWARDS, CLAIMED_PEER))
def test_nobody_else_names_the_client(site: Site) -> None:
    """From whoever is no trusted proxy no header counts: not for a denied peer, not against another."""
    denied, stranger = _address(site, "denied"), _address(site, "stranger")
    refused = site.policy.addresses.refused_status
    path = site.contract.path("health.simple")
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP")

    def ask(via: Via, claimed: str) -> dict[str, int]:
        claims = {name: f"for={claimed}" if name == "Forwarded" else claimed for name in names}
        return {
            name: site.http.get(path, via=via, headers={name: claim}).status for name, claim in claims.items()
        }

    against, favour = ask("stranger", denied), ask("denied", stranger)
    floor(site.http.get(path, via="stranger").ok, "a stranger without any header is not served")
    assert set(against.values()) == {200}, f"a stranger that claims a denied address gets {against}"
    assert set(favour.values()) == {refused}, f"a denied address that claims another gets {favour}"


@control(CONTROL, broken_by=(MAPPED_APART, PORT_UNREAD))
def test_other_spellings_of_an_address_are_that_address(site: Site) -> None:
    """A denied IPv4 address is refused as v4-mapped IPv6 (RFC 4291, 2.5.5.2), with a port, in brackets."""
    denied, stranger = _address(site, "denied"), _address(site, "stranger")
    _served(site, *_spellings(stranger))
    _refused(site, *_spellings(denied))


@control(CONTROL, setup=LISTS, broken_by=(ALLOW_IGNORED, EXACT_ONLY, MAPPED_RANGE_DEAD))
def test_allow_list_lets_in_its_ranges_and_nobody_else(site: Site) -> None:
    """With an allow list, IPv4 and IPv6 clients inside its ranges are served, and all others refused."""
    _served(site, "203.0.113.0", "203.0.113.127", "198.51.100.9", "2001:db8:a::1", "2001:DB8:A:FFFF::1")
    _served(site, "::ffff:203.0.113.5")
    _refused(site, "203.0.112.255", "203.0.114.0", "192.0.2.1", "198.51.101.1", "::ffff:192.0.2.1")
    _refused(site, "2001:db8:9:ffff::1", "2001:db8:b::1", "::cb00:7105")


@control(CONTROL, setup=LISTS, broken_by=(DENY_IGNORED, ALLOW_WINS, EXACT_ONLY))
def test_deny_list_wins_inside_an_allowed_range(site: Site) -> None:
    """A client inside a denied range is refused although a wider one is allowed; its neighbour is served."""
    _served(site, "203.0.113.127", "198.51.100.127", "2001:db8:a:bac:ffff::1", "2001:db8:a:bae::1")
    _refused(site, "203.0.113.129", "203.0.113.255", "198.51.100.200", "::ffff:203.0.113.200")
    _refused(site, "2001:db8:a:bad::1", "2001:db8:a:bad:ffff:ffff:ffff:ffff", "[2001:db8:a:bad::7]:443")


def _address(site: Site, name: str) -> str:
    rules = site.policy.addresses
    if name not in {"denied": rules.denied, "proxy": rules.trusted}.get(name, (name,)):
        not_applicable(f"the policy gives the address '{name}' no right and no refusal of its own")
    return site.deployment.address(name)


def _spellings(address: str) -> tuple[str, ...]:
    mapped = IPv6Address(f"::ffff:{address}")
    return (
        *(
            address,
            f"{address}:4711",
            f"::ffff:{address}",
            str(mapped),
            mapped.exploded,
            mapped.exploded.upper(),
        ),
        *(f"::FFFF:{address}", f"[::ffff:{address}]:4711", f"[{mapped}]"),
    )


def _asked(site: Site, entries: Iterable[str]) -> dict[str, int]:
    """The status of a request by X-Forwarded-For, sent by the trusted proxy."""
    path = site.contract.path("health.simple")
    return {
        entry: site.http.get(path, via="proxy", headers={"X-Forwarded-For": entry} if entry else {}).status
        for entry in entries
    }


def _served(site: Site, *entries: str) -> None:
    got = _asked(site, entries)
    assert set(got.values()) == {200}, f"clients behind the proxy that must be served get {got}"


def _refused(site: Site, *entries: str) -> None:
    got, refused = _asked(site, entries), site.policy.addresses.refused_status
    assert set(got.values()) == {refused}, f"clients behind the proxy that must be refused get {got}"
