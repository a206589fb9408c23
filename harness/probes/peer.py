"""Where to connect, and under which name: a listener of the deployment, seen from one client address."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from harness.outcome import NotVerified
from harness.runtimes import CannotShow, Deployment

Base = Literal["tls", "plain", "replica"]
Via = Literal["proxy", "denied", "stranger"]
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """host, port: where the socket goes. name: what the certificate and the Host header say; authority:
    with port."""

    host: str
    port: int
    tls: bool
    name: str
    authority: str
    ca_file: Path | None

    @property
    def scheme(self) -> str:
        return "https" if self.tls else "http"

    @property
    def url(self) -> str:
        """The origin under which a client knows it."""
        return f"{self.scheme}://{self.authority}"

    @property
    def socket_url(self) -> str:
        """The origin with the address that the socket really goes to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def context(self, *, verify: bool = True) -> ssl.SSLContext:
        """Return a client context that trusts only the run's root (where there is one)."""
        return _context(self.ca_file, verify)


def find_peer(deployment: Deployment, base: Base = "tls", via: Via | None = None) -> Peer:
    """Return a listener of `deployment`. Raises NotVerified where it, or the client address, does not
    exist."""
    if base == "plain":
        if deployment.plain_url is None:
            raise NotVerified("this deployment has no plain HTTP listener")
        return _peer(deployment, deployment.plain_url, deployment.plain_url)
    if base == "replica":
        return replica_peers(deployment)[0]
    if via is None:
        return _peer(deployment, deployment.base_url, deployment.base_url)
    try:
        return _peer(deployment, deployment.via(via), deployment.base_url)
    except CannotShow as cause:
        raise NotVerified(str(cause)) from None


def replica_peers(deployment: Deployment) -> tuple[Peer, ...]:
    """Return the listener of every replica, past any edge: what is asked there, no other one answers."""
    return tuple(_peer(deployment, url, url) for url in deployment.replica_urls)


def _peer(deployment: Deployment, socket_url: str, known_url: str) -> Peer:
    reached, known = urlsplit(socket_url), urlsplit(known_url)
    default = _DEFAULT_PORTS[known.scheme]
    port = known.port or default
    name = deployment.host_name
    bracketed = f"[{name}]" if ":" in name else name
    return Peer(
        host=reached.hostname or "",
        port=reached.port or _DEFAULT_PORTS[reached.scheme],
        tls=known.scheme == "https",
        name=name,
        authority=bracketed if port == default else f"{bracketed}:{port}",
        ca_file=deployment.ca_file,
    )


@cache
def _context(ca_file: Path | None, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
