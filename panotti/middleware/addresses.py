"""The client's true address, and who may call from where."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from panotti.middleware.headers import values
from panotti.problems import send_problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
# Bounds the memory that callers from many addresses can take.
REMEMBERED = 4096


def parse(text: str) -> Address | None:
    """An address as X-Forwarded-For writes it, perhaps with a port, brackets or a zone; v4-mapped as IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


class _Networks:
    """Whether an address lies in one of the networks."""

    def __init__(self, networks: Iterable[str]) -> None:
        self.networks: tuple[Network, ...] = tuple(_unmapped(ip_network(text)) for text in networks)

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.networks)

    def __bool__(self) -> bool:
        return bool(self.networks)


def _unmapped(network: Network) -> Network:
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped and network.prefixlen >= 96:
        return IPv4Network((int(network.network_address.ipv4_mapped), network.prefixlen - 96))
    return network


class _Peer(NamedTuple):
    """What never changes about the other end of a connection; `client`: how the log and the quota name it."""

    address: Address | None
    client: str
    permitted: bool
    proxied: bool


class AddressesMiddleware:
    """Sets state["client"] and refuses callers that are denied, or not allowed where a list says who is.

    X-Forwarded-For and X-Forwarded-Proto count only from a trusted proxy. The client is the rightmost entry
    that is not such a proxy: what stands left of it the client wrote itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted_proxies: Iterable[str] = (),
        allow: Iterable[str] = (),
        deny: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.trusted = _Networks(trusted_proxies)
        self.allow = _Networks(allow)
        self.deny = _Networks(deny)
        self.decided: dict[str, _Peer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        peer = scope["client"][0] if scope.get("client") else ""
        address, client, permitted, proxied = self._remembered(peer)
        if proxied:
            address = self._forwarded(scope, address)
            client = str(address)
            permitted = permitted and self._permitted(address)
            _take_scheme(scope)
        scope["state"]["client"] = client
        if permitted:
            await self.app(scope, receive, send)
        else:
            await send_problem(send, scope, 403, "Forbidden", "this address may not call")

    def _remembered(self, peer: str) -> _Peer:
        found = self.decided.get(peer)
        if found is None:
            if len(self.decided) >= REMEMBERED:
                self.decided.clear()
            found = self.decided[peer] = self._decide(peer)
        return found

    def _decide(self, peer: str) -> _Peer:
        address = parse(peer)
        return _Peer(
            address=address,
            client=peer if address is None else str(address),
            permitted=self._permitted(address),
            proxied=address is not None and address in self.trusted,
        )

    def _forwarded(self, scope: Scope, peer: Address | None) -> Address | None:
        entries = b",".join(values(scope, b"x-forwarded-for")).decode("latin-1").split(",")
        client = peer
        for entry in reversed(entries):
            address = parse(entry)
            # What is no address was written by no proxy; the nearest known hop stands for the client.
            if address is None:
                return client
            client = address
            if address not in self.trusted:
                return client
        return client

    def _permitted(self, address: Address | None) -> bool:
        if address is None:
            return not self.allow
        if address in self.deny:
            return False
        return not self.allow or address in self.allow or address in self.trusted


def _take_scheme(scope: Scope) -> None:
    named = values(scope, b"x-forwarded-proto")
    if named and (scheme := named[-1].strip().lower()) in (b"http", b"https"):
        scope["scheme"] = scheme.decode("ascii")
