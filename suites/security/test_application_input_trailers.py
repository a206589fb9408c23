"""A trailer comes after the checks of the headers, and behind every proxy's own: it is never one of them."""

from __future__ import annotations

import json
import secrets

from harness import control, edit, floor, not_applicable
from harness.principals import ApiKey
from harness.probes.peer import Via
from harness.probes.raw import RawReply
from harness.site import Site

INPUT = "security.application.input"
PROTOCOL = "panotti/protocol.py"
KEPT = "        if self.in_head:\n            super().on_header(name, value)\n"
CHUNKED = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}

MERGED = edit("trailers are added to the headers", PROTOCOL, KEPT, "        super().on_header(name, value)\n")
KEYS_ALONE_DROPPED = edit(
    "of all trailers the credentials alone are dropped",
    PROTOCOL,
    KEPT,
    KEPT.replace("self.in_head", 'self.in_head or name.lower() not in (b"x-api-key", b"authorization")'),
)
ADDRESSES_ALONE_DROPPED = edit(
    "of all trailers the address alone is dropped",
    PROTOCOL,
    KEPT,
    KEPT.replace("self.in_head", 'self.in_head or name.lower() != b"x-forwarded-for"'),
)


@control(INPUT, broken_by=(MERGED, ADDRESSES_ALONE_DROPPED), prove_in="testing")
def test_a_trailer_is_no_credential_and_no_id(site: Site) -> None:
    """A key in a trailer lets nobody in, and an id in a trailer names no request (RFC 9110 6.5.1)."""
    key, header, named = site.key(), site.contract.http.auth_header, f"trailer-{secrets.token_hex(8)}"
    unkeyed = _send(site)
    floor(unkeyed.status in (401, 403), f"chunks without a key were answered {unkeyed.status}")
    floor(_send(site, key=key).ok, "a body in chunks was not taken")
    keyed = _send(site, trailer=f"{header}: {key.value}")
    identified = _send(site, trailer=f"X-Request-ID: {named}", key=key)

    assert not keyed.ok, f"a key in a trailer was answered {keyed.status}"
    assert identified, f"a request with a trailer got no answer: {identified.error}"
    assert identified.headers.get("x-request-id") != named, "an id in a trailer became the request's"


@control(INPUT, broken_by=(MERGED, KEYS_ALONE_DROPPED), prove_in="testing")
def test_a_trailer_names_no_client(site: Site) -> None:
    """Behind the proxy a denied client stays denied, and any other is logged by its own address."""
    rules, key = site.policy.addresses, site.key()
    if "denied" not in rules.denied or "proxy" not in rules.trusted:
        not_applicable("the policy denies no address, or trusts no proxy")
    denied, stranger = (site.deployment.address(name) for name in ("denied", "stranger"))
    refused = _send(site, denied, key=key, via="proxy")
    floor(refused.status == rules.refused_status, f"a denied client gets {refused.status or refused.error}")
    floor(_send(site, stranger, key=key, via="proxy").ok, "a stranger behind the proxy is not served")

    forging = _send(site, denied, trailer=f"X-Forwarded-For: {stranger}", key=key, via="proxy")
    mark = site.logs.mark()
    honest = _send(site, stranger, trailer=f"X-Forwarded-For: {denied}", key=key, via="proxy")
    named = site.logs.wait_for(since=mark, event="request", request_id=honest.headers.get("x-request-id"))

    assert forging.status in (400, rules.refused_status), f"a denied client with a trailer: {forging.status}"
    assert honest.status in (200, 400), (
        f"a stranger that names a denied address in a trailer: {honest.status}"
    )
    floor(named, "the log has no line of a request with a trailer")
    clients = {record["client"] for record in named}
    assert denied not in clients, f"the log calls a client by its trailer: {clients}"


def _send(
    site: Site,
    client: str = "",
    *,
    trailer: str = "",
    key: ApiKey | None = None,
    via: Via | None = None,
) -> RawReply:
    """The answer to a valid recording in one chunk. client: in X-Forwarded-For; trailer: a line behind it."""
    body = json.dumps({"recordingId": f"rec-{secrets.token_hex(8)}"})
    content = "\r\n".join((f"{len(body):x}", body, "0", *([trailer] if trailer else ()), "", ""))
    headers = {**CHUNKED, "X-Forwarded-For": client} if client else CHUNKED
    path = site.contract.path("recordings.started")
    message = site.raw.message("POST", path, key=key, headers=headers, content=content)
    return site.raw(message, via=via, method="POST")
