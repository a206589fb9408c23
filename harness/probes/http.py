"""HTTP as an ordinary client speaks it. The only importer of httpx.

Works below httpx's client, on its transport: no redirect is followed, no cookie kept, no proxy of the
environment
used, and header fields and path go out as they were given.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Literal, Unpack

import httpx

from harness.errors import ProbeFailed
from harness.evidence import waiting_for_target
from harness.probes.exchange import record_exchange
from harness.probes.message import Parts, Request, compose, parts_of
from harness.probes.pace import Pace
from harness.probes.peer import Base, Peer, Via, find_peer, replica_peers
from harness.probes.reply import Headers, Reply
from harness.runtimes import Deployment

Connection = Literal["kept", "new"]
# The server may close an idle connection at any time; one not used for this long is not tried again.
_IDLE_S = 2.0


class Options(Parts, total=False):
    """How a request is sent. base "plain": to the listener that redirects; "replica": to the first
    replica itself. replica: the number of the one it is sent to, past the edge.
    via: from a named client address.
    connection "new": not on a kept one. verify: the certificate. timeout_s: for the whole exchange (10)."""

    via: Via | None
    base: Base
    replica: int
    connection: Connection
    verify: bool
    timeout_s: float


class HttpProbe:
    """Sends requests to one deployment. Safe to use from several threads."""

    def __init__(
        self, deployment: Deployment, *, auth_header: str = "X-API-Key", pace: Pace | None = None
    ) -> None:
        self._deployment = deployment
        self._auth_header = auth_header
        self._pace = pace
        self._kept: dict[tuple[bool, bool], httpx.HTTPTransport] = {}

    def request(self, method: str, path: str, **options: Unpack[Options]) -> Reply:
        """Send one request and return its answer; no answer at all is a Reply of status 0.

        path goes out as given, not normalised. See `Options` and `Parts` for the rest.
        Raises ProbeFailed for what HTTP cannot carry (the raw probe can send it).
        """
        request = compose(method, path, auth_header=self._auth_header, **parts_of(options))
        peer = self._peer(options)
        if self._pace and options.get("via") is None:
            self._pace.take(path)
        with waiting_for_target():
            reply = self._exchange(peer, request, options)
        record_exchange(peer, request, reply)
        return reply

    def _peer(self, options: Options) -> Peer:
        if "replica" in options:
            return replica_peers(self._deployment)[options["replica"]]
        return find_peer(self._deployment, options.get("base", "tls"), options.get("via"))

    def get(self, path: str, **options: Unpack[Options]) -> Reply:
        """`request("GET", ...)`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[Options]) -> Reply:
        """`request("POST", ...)`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[Options]) -> Reply:
        """`request("PUT", ...)`."""
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Unpack[Options]) -> Reply:
        """`request("DELETE", ...)`."""
        return self.request("DELETE", path, **options)

    def preflight(
        self,
        path: str,
        origin: str,
        method: str = "POST",
        headers: Iterable[str] = (),
        *,
        extra: Mapping[str, str] | None = None,
        via: Via | None = None,
    ) -> Reply:
        """Ask, as a browser does, whether a page on `origin` may send `method` with `headers` (Fetch
        3.2.2)."""
        asked = {"Access-Control-Request-Method": method}
        if wanted := ",".join(sorted(name.lower() for name in headers)):
            asked["Access-Control-Request-Headers"] = wanted
        return self.request("OPTIONS", path, origin=origin, headers={**asked, **(extra or {})}, via=via)

    def close(self) -> None:
        """Close every kept connection. The probe can be used again."""
        for transport in self._kept.values():
            transport.close()
        self._kept.clear()

    def _exchange(self, peer: Peer, request: Request, options: Options) -> Reply:
        verify, timeout_s = options.get("verify", True), options.get("timeout_s", 10.0)
        if options.get("connection", "kept") == "kept":
            return _send(self._transport(peer, verify), peer, request, timeout_s)
        with _transport(peer.context(verify=verify)) as transport:
            return _send(transport, peer, request, timeout_s)

    def _transport(self, peer: Peer, verify: bool) -> httpx.HTTPTransport:
        kept = self._kept.get((peer.tls, verify))
        if kept is None:
            kept = self._kept.setdefault((peer.tls, verify), _transport(peer.context(verify=verify)))
        return kept


def _transport(context: ssl.SSLContext) -> httpx.HTTPTransport:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_IDLE_S)
    return httpx.HTTPTransport(verify=context, trust_env=False, limits=limits)


def _send(transport: httpx.HTTPTransport, peer: Peer, request: Request, timeout_s: float) -> Reply:
    started = time.perf_counter()
    deadline = started + timeout_s
    outgoing = _to_httpx(peer, request, timeout_s)
    try:
        response = transport.handle_request(outgoing)
        try:
            body = _read(response, deadline)
        finally:
            response.close()
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol) as cause:
        raise ProbeFailed(
            f"{request.method} {request.path[:80]}: this cannot be sent as HTTP: {cause}",
            remedy="Send it with site.raw, which writes any bytes.",
        ) from None
    except httpx.TransportError as cause:
        elapsed_s = time.perf_counter() - started
        return Reply(status=0, elapsed_s=elapsed_s, error=f"{type(cause).__name__}: {cause}")
    fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw)
    return Reply(
        status=response.status_code,
        headers=Headers(fields),
        body=body,
        elapsed_s=time.perf_counter() - started,
    )


def _read(response: httpx.Response, deadline: float) -> bytes:
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if time.perf_counter() > deadline:
            raise httpx.ReadTimeout("the answer did not end in time")
    return bytes(body)


def _to_httpx(peer: Peer, request: Request, timeout_s: float) -> httpx.Request:
    fields = [(name.encode(), value) for name, value in request.fields]
    if not any(name.lower() == b"host" for name, _ in fields):
        fields.insert(0, (b"Host", peer.authority.encode()))
    return httpx.Request(
        request.method,
        peer.socket_url,
        headers=fields,
        content=request.content or None,
        extensions={
            "timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s),
            "target": request.path.encode("utf-8", "surrogateescape"),
            "sni_hostname": peer.name,
        },
    )
