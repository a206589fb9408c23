"""Attackers are cut off in time, and meanwhile everybody else is served."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from harness import control, defect, edit, floor, in_time, prompt, setting
from harness.principals import ApiKey
from harness.probes.meanwhile import meanwhile
from harness.probes.peer import Base
from harness.probes.raw import RawReply
from harness.probes.reply import Reply
from harness.site import Site

LIMITS = "deployment.server.limits"
BODIES = "panotti/middleware/limits.py"
EACH = 3  # attackers of every kind at once
HELD_BACK = 1.5  # of the requests that all workers together may have in flight: each is full
WRITES = 24  # so many over new connections that every worker gets some
WRITES_EVERY_S = 0.1  # a bystander's, under the quota of its key
EVERY_S = 0.1  # between two pieces: no attacker is idle, and none needs the machine for itself
SERVED_WITHIN_S = 3.0  # a bystander; a busy machine may be as late in ending an attack
ASKED = 6  # answers to a bystander, of which five came before the attack
BOMB = 512 * 1024
JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}

BLOCKING = defect(
    "whoever sends a head holds the worker up",
    edit(
        "",
        "panotti/protocol.py",
        "        self.head_bytes += len(data)\n",
        '        self.head_bytes += len(data)\n        self.in_head and __import__("time").sleep(0.6)\n',
    ),
    setting(WORKERS=1),
)
NO_HEADER_LIMIT = setting(title="no time limit for headers", HEADER_TIMEOUT=3600)
NO_BODY_LIMIT = setting(title="no time limit for a body", BODY_TIMEOUT=3600)


@control(LIMITS, intrusive=True, broken_by=(NO_HEADER_LIMIT, NO_BODY_LIMIT, BLOCKING), prove_in="testing")
def test_others_are_served_while_slow_and_endless_requests_are_cut_off(site: Site) -> None:
    """Slow heads and bodies, endless chunk extensions and trailers are ended in time; others are served."""
    server, kinds = site.policy.server, _kinds(site)
    limit_s = max(server.header_timeout_s, server.body_timeout_s) + server.timeout_slack_s
    names = [name for name in kinds for _ in range(EACH)]
    replies, served = _attacked(
        site,
        [
            partial(site.raw, _endless(*kinds[name], limit_s), timeout_s=SERVED_WITHIN_S, method="POST")
            for name in names
        ],
    )
    kept = {name for name, reply in zip(names, replies, strict=True) if not _ended(reply)}

    prompt(not kept, f"were not ended within {limit_s:g} s: {sorted(kept)}")
    _assert_served(served)


@control(
    LIMITS,
    intrusive=True,
    broken_by=(
        setting(title="heads of a megabyte are read", MAX_HEADER_BYTES=1 << 20),
        edit(
            "any number of header lines is read",
            "panotti/protocol.py",
            "MAX_HEADER_LINES = 100\n",
            "MAX_HEADER_LINES = 1_000_000\n",
        ),
        edit(
            "trailers of any size are read",
            "panotti/protocol.py",
            "        if self.head_bytes > self.guard.max_header_bytes:\n            self",
            "        if self.in_head and self.head_bytes > self.guard.max_header_bytes:\n            self",
        ),
    ),
    prove_in="testing",
)
def test_others_are_served_while_header_bombs_are_refused(site: Site) -> None:
    """A head or trailers far beyond any need are refused, as one line or as many; others are served."""
    path, key = site.contract.path("recordings.list"), site.key()
    started = site.contract.path("recordings.started")
    plain = site.raw.message("GET", path, key=key)
    floor(site.raw(plain).ok, "a plain request over a raw connection was not answered")
    recording = {"recordingId": f"rec-{secrets.token_hex(8)}"}
    body = site.raw.message("POST", started, key=key, headers=CHUNKED, content=_chunked(recording))
    floor(site.raw(body + b"\r\n", method="POST").ok, "a body in chunks over a raw connection was not taken")
    bombs = {
        "one line": plain[:-2] + b"X-Bomb: " + b"b" * BOMB + b"\r\n\r\n",
        "a long name": plain[:-2] + b"x" * BOMB + b": b\r\n\r\n",
        "a long target": plain.replace(path.encode(), path.encode() + b"?bomb=" + b"b" * BOMB, 1),
        "many lines": plain[:-2]
        + b"".join(b"X-Bomb-%d: b\r\n" % number for number in range(1_000))
        + b"\r\n",
        "many trailers": body + b"X-Bomb: b\r\n" * (BOMB // 11) + b"\r\n",
        "a long trailer": body + b"X-Bomb: " + b"b" * BOMB + b"\r\n\r\n",
        "a long cookie": plain[:-2] + b"Cookie: " + b"; ".join([b"a=b"] * (BOMB // 5)) + b"\r\n\r\n",
    }
    names = [name for name in bombs for _ in range(EACH)]
    replies, served = _attacked(site, [partial(site.raw, bombs[name]) for name in names])
    taken = {name for name, reply in zip(names, replies, strict=True) if not _ended(reply) or reply.ok}

    assert not taken, f"were not refused: {sorted(taken)}"
    _assert_served(served)


@control(
    LIMITS,
    intrusive=True,
    broken_by=(
        edit(
            "nobody's share of the requests in flight is looked at",
            BODIES,
            "        if any(self.held[name] >= most for name, most in places.items()):\n",
            "        if not places:\n",
        ),
        defect(
            "one address may take every place among the requests in flight",
            edit("", BODIES, "concurrency // 4", "concurrency"),
            edit(
                "",
                BODIES,
                "{by_address(scope): self.quarter, ANONYMOUS: self.half}",
                "{by_address(scope): self.quarter}",
            ),
        ),
    ),
    prove_in="testing",
)
def test_valid_client_writes_while_one_address_holds_bodies_back(site: Site) -> None:
    """More requests without body and credential than may be in flight keep no valid client from writing."""
    server, key = site.policy.server, site.key()
    attackers = round(HELD_BACK * server.workers * server.max_concurrency)
    floor(_write(site, key, "replica").ok, "a valid client cannot write, with nobody else there")
    with site.hold(
        _anonymous(site), base="replica", n=attackers, each=lambda _: {"json": {"held": "back"}}
    ) as requests:
        delivered = [request for request in requests if request.begun or request.refusal is not None]
        served = [_write(site, key, "replica") for _ in range(WRITES)]
        ended = [request for request in requests if request.begun and request.answered]
    _assert_served(served)
    in_time(len(delivered) == len(requests), f"{len(delivered)} of {len(requests)} heads were taken")
    in_time(not ended, "bodies that were held back were given up before the writes were over")


def _kinds(site: Site) -> Mapping[str, tuple[bytes, bytes]]:
    """By name, how an attack begins, and what then comes again and again."""
    path, key = site.contract.path("recordings.started"), site.key()
    head = site.raw.message("POST", path, key=key)[:-2]
    sized = site.raw.message("POST", path, key=key, headers={**JSON, "Content-Length": "1000"})
    chunked = site.raw.message("POST", path, key=key, headers=CHUNKED)
    return {
        "a slow head": (head, b"x"),
        "a head that never ends": (head, b"x: y\r\n"),
        "a slow body": (sized, b" "),
        "a chunk that never ends": (chunked + b"ff\r\n", b" "),
        "an extension that never ends": (chunked + b"1;", b"a" * 100),
        "trailers that never end": (chunked + b"1\r\n \r\n0\r\n", b"x: y\r\n"),
    }


def _chunked(document: Mapping[str, str]) -> bytes:
    """A body in one chunk, up to where its trailers begin."""
    body = json.dumps({**document}).encode()
    return b"%x\r\n%s\r\n0\r\n" % (len(body), body)


def _attacked(site: Site, attacks: Sequence[Callable[[], RawReply]]) -> tuple[list[RawReply], list[Reply]]:
    """What the attackers were answered, and a bystander that goes on writing."""
    key = site.key()

    def write() -> Reply:
        time.sleep(WRITES_EVERY_S)
        return _write(site, key)

    return meanwhile(write, lambda: site.together(*attacks))


def _write(site: Site, key: ApiKey, base: Base = "tls") -> Reply:
    """A recording of a valid client, over a connection of its own: any worker may get it."""
    return site.http.post(
        site.contract.path("recordings.started"),
        key=key,
        json={"recordingId": f"rec-{secrets.token_hex(8)}"},
        base=base,
        connection="new",
    )


def _anonymous(site: Site) -> str:
    """A path that reads a body of whoever sends one."""
    capabilities = site.contract.capabilities
    if capabilities.sessions is not None:
        return site.contract.path("sessions.login")
    return site.contract.path("tokens.refresh" if capabilities.tokens is not None else "recordings.started")


def _endless(start: bytes, piece: bytes, for_s: float) -> Iterator[bytes | float]:
    yield start
    for _ in range(round(for_s / EVERY_S)):
        yield EVERY_S
        yield piece


def _ended(reply: RawReply) -> bool:
    return reply.closed or 400 <= reply.status < 500


def _assert_served(served: list[Reply]) -> None:
    in_time(len(served) >= ASKED, f"a bystander was answered {len(served)} times only")
    refused = [reply.status for reply in served if reply and not reply.ok]
    assert not refused, f"of {len(served)} writes of a bystander {len(refused)} were refused: {set(refused)}"
    late = [reply.error for reply in served if not reply or reply.elapsed_s > SERVED_WITHIN_S]
    prompt(not late, f"of {len(served)} writes of a bystander {len(late)} took over {SERVED_WITHIN_S:g} s")
