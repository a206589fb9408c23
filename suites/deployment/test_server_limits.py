"""Concurrency, body size and slow clients are bounded."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from harness import control, edit, floor, in_time, setting
from harness.principals import ApiKey
from harness.probes.message import Parts
from harness.probes.raw import RawReply
from harness.site import Site

MIDDLEWARE = "panotti/middleware/limits.py"
ANSWERED_WITHIN_S = 3.0  # less than the time limit of a body that never ends
QUICK_S = 0.25  # liveness on a machine that has time for it
OVER = 16  # requests more than all workers together may have in flight
PER_KEY = 24  # under the quota of a key, and under its share of the requests in flight
EVERY_S = 0.25  # between two bytes of a slow client: less than any limit on idling
HEADERS = {"Content-Type": "application/json"}

FAR_TOO_LARGE = setting(title="a body limit of 256 MiB", MAX_BODY_BYTES=1 << 28)
NOT_WHILE_READING = edit(
    "the size of a body is looked at when it has been read",
    MIDDLEWARE,
    "            if len(body) > self.max_bytes:\n                raise _TooLargeError\n        return body",
    "        if len(body) > self.max_bytes:\n            raise _TooLargeError\n        return body",
)


@control(
    "deployment.server.limits",
    broken_by=(
        FAR_TOO_LARGE,
        edit(
            "an announced size is not looked at",
            MIDDLEWARE,
            "        if _announced(scope) > self.max_bytes:\n            raise _TooLargeError\n",
            "",
        ),
        setting(title="a body limit below the policy's", MAX_BODY_BYTES=65_536),
    ),
)
def test_a_body_announced_as_too_large_is_refused_unread(site: Site) -> None:
    """A body of the largest size is taken; one announced as larger gets 413 before it is sent."""
    path, key, limit = site.contract.path("recordings.started"), site.key(), site.policy.server.max_body_bytes
    largest = site.http.post(path, key=key, headers=HEADERS, content=_body(limit))
    head = site.raw.message("POST", path, key=key, headers={**HEADERS, "Content-Length": str(4 * limit)})
    refused = site.raw([head, b"{"], timeout_s=ANSWERED_WITHIN_S, method="POST")

    assert largest.status == 200, f"a body of {limit} bytes was answered {largest.status or largest.error}"
    assert refused.status == 413, (
        f"{4 * limit} bytes were announced and one sent; the answer was {refused.status or refused.error}"
    )


@control(
    "deployment.server.limits",
    broken_by=(
        NOT_WHILE_READING,
        edit(
            "only bodies with a length are limited",
            MIDDLEWARE,
            'name in (b"content-length", b"transfer-encoding")',
            'name == b"content-length"',
        ),
        FAR_TOO_LARGE,
    ),
)
def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(site: Site) -> None:
    """A body in chunks, whose size nobody announces, gets 413 at the limit and not at its end."""
    path, key, limit = site.contract.path("recordings.started"), site.key(), site.policy.server.max_body_bytes
    head = site.raw.message("POST", path, key=key, headers={**HEADERS, "Transfer-Encoding": "chunked"})
    send = partial(site.raw, timeout_s=ANSWERED_WITHIN_S, method="POST")
    largest = send([head, *_chunks(_body(limit)), b"0\r\n\r\n"])
    refused = send([head, *_chunks(_body(limit + limit // 4))])  # its end never comes

    assert largest.status == 200, f"{limit} bytes in chunks were answered {largest.status or largest.error}"
    assert refused.status == 413, (
        f"of an endless body {limit + limit // 4} bytes were sent; the answer was "
        f"{refused.status or refused.error}"
    )


@control(
    "deployment.server.limits",
    intrusive=True,
    broken_by=(
        setting(title="no time limit for headers", HEADER_TIMEOUT=3600),
        setting(title="no time limit for a body", BODY_TIMEOUT=3600),
        edit(
            "the time limit for headers begins anew with every byte",
            "panotti/protocol.py",
            "        elif self.in_head and self.head_bytes and self.head_timer is None:\n",
            "        elif self.in_head and self.head_bytes:\n            if self.head_timer is not None:\n"
            "                self.head_timer.cancel()\n",
        ),
        edit(
            "the TLS handshake has no time limit",
            "panotti/worker.py",
            "ssl_handshake_timeout=self.handshake if self.context else None",
            "ssl_handshake_timeout=3600 if self.context else None",
        ),
    ),
)
def test_a_slow_client_is_cut_off(site: Site) -> None:
    """Who never finishes handshake, headers or body is cut off in time; who is merely slow is not."""
    path, key, server = site.contract.path("recordings.started"), site.key(), site.policy.server
    head_s, body_s = (
        limit + server.timeout_slack_s for limit in (server.header_timeout_s, server.body_timeout_s)
    )
    whole = site.raw.message("POST", path, key=key, json={"recordingId": f"rec-{secrets.token_hex(8)}"})
    endless = site.raw.message("POST", path, key=key, headers={**HEADERS, "Content-Length": "1000"})
    slow_but_whole = site.raw([whole[:40], 2 * EVERY_S, whole[40:-5], 2 * EVERY_S, whole[-5:]], method="POST")
    clients: dict[str, Callable[[], RawReply]] = {
        "silent": lambda: site.raw([head_s], timeout_s=1),
        "slow with its headers": lambda: site.raw(_dribble(whole[:40], b"x", head_s), timeout_s=1),
        "slow with its body": lambda: site.raw(_dribble(endless, b" ", body_s), timeout_s=1, method="POST"),
    }
    if site.policy.environment.transport == "tls":
        clients["slow with its handshake"] = lambda: site.raw([head_s], timeout_s=1, handshake=False)
    replies = dict(zip(clients, site.together(*clients.values()), strict=True))
    kept = [who for who, reply in replies.items() if not (reply.closed or reply.status == 408)]

    assert slow_but_whole.status == 200, (
        f"a client that took a second was answered {slow_but_whole.status or slow_but_whole.error}"
    )
    assert not kept, f"connections of clients that never finish were not ended: {', '.join(kept)}"


@control(
    "deployment.server.limits",
    intrusive=True,
    broken_by=(
        setting(title="no limit on requests in flight", MAX_CONCURRENCY=100_000),
        edit(
            "requests over the limit wait for a place",
            MIDDLEWARE,
            "        if self.in_flight.count >= self.limit:\n",
            "        while self.in_flight.count >= self.limit:\n            await asyncio.sleep(0.01)\n"
            "        if self.in_flight.count > self.limit:\n",
        ),
        edit(
            "503 does not say when to come back",
            MIDDLEWARE,
            '"too many requests are in flight"\n            await send_problem('
            'send, scope, 503, "Service Unavailable", detail, [(b"retry-after", b"1")])',
            '"too many requests are in flight"\n            await send_problem('
            'send, scope, 503, "Service Unavailable", detail)',
        ),
        edit(
            "a place is never given back",
            MIDDLEWARE,
            "            self.in_flight.count -= 1",
            "            pass",
        ),
    ),
)
def test_requests_over_the_limit_get_503_and_the_others_are_served(site: Site) -> None:
    """Over the limit of requests in flight the answer is 503 with Retry-After; within it they are served."""
    path, server = site.contract.path("recordings.started"), site.policy.server
    most = server.workers * server.max_concurrency
    keys = [site.key() for _ in range((most + OVER) // PER_KEY + 1)]
    with site.hold(path, base="replica", n=most + OVER, each=partial(_recording, keys)) as requests:
        held = [request for request in requests if request.begun]
        ended = [request for request in held if request.answered]
        in_time(not ended, "the first requests were over before the last were begun: not all were in flight")
        refused = [request.refusal for request in requests if request.refusal is not None]
        floor(held, "no request was ever in flight")
        late = len(requests) - len(held) - len(refused)
        in_time(not late or _is_quick(site), "the machine is too busy to tell a late refusal from none")
        finished = held[-1].finish()
    others = [reply.status for reply in refused if reply.status != 503]
    floor(not others, f"some requests were refused for another reason: {sorted(set(others))}")

    assert len(held) <= most, f"{len(held)} requests were in flight at once; {most} are allowed"
    assert len(held) + len(refused) == len(requests), "a request over the limit got no answer"
    assert len(held) >= server.max_concurrency, f"only {len(held)} requests could be in flight at once"
    silent = [reply for reply in refused if not reply.headers.get("retry-after").isdecimal()]
    assert not silent, "503 without the seconds of Retry-After (RFC 9110 10.2.3)"
    assert finished.status == 200, (
        f"a request within the limit was answered {finished.status or finished.error}"
    )
    later = site.eventually(lambda: site.http.get(site.contract.path("recordings.list"), key=keys[0]).ok)
    assert later, "with nothing in flight any more, requests are still refused"


def _body(size: int) -> bytes:
    """A valid body of exactly `size` bytes: JSON may end with blanks (RFC 8259 2)."""
    return json.dumps({"recordingId": f"rec-{secrets.token_hex(8)}"}).encode().ljust(size)


def _chunks(body: bytes, size: int = 16_384) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        part = body[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(part), part)


def _dribble(start: bytes, byte: bytes, seconds: float) -> Iterator[bytes | float]:
    yield start
    for _ in range(round(seconds / EVERY_S)):
        yield EVERY_S
        yield byte


def _recording(keys: Sequence[ApiKey], number: int) -> Parts:
    recording = {"recordingId": f"rec-{secrets.token_hex(8)}"}
    return {"key": keys[number // PER_KEY], "json": {**recording}}


def _is_quick(site: Site) -> bool:
    """Whether every worker answers at once: a dozen new connections leave none of them out."""
    live = site.contract.path("health.live")
    asked = (site.http.get(live, base="replica", connection="new") for _ in range(12))
    return all(reply.elapsed_s < QUICK_S for reply in asked)
