"""Many requests at once: thousands a second, from threads that each keep one connection."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Unpack, cast

from harness.evidence import record, waited
from harness.probes.exchange import record_exchange
from harness.probes.message import Parts, Request, compose
from harness.probes.pace import Pace
from harness.probes.peer import Base, Peer, Via, find_peer, replica_peers
from harness.probes.reply import Reply
from harness.probes.wire import Line
from harness.records import Json, Observation
from harness.runtimes import Deployment

_SAMPLES = 4  # exchanges kept as evidence: the first of each status


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One request of a burst. at_s, done_s: its start and end, in seconds after the burst began."""

    number: int
    at_s: float
    done_s: float
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstResult:
    """What a burst came to; hits in the order in which they began.

    began_s: the `time.perf_counter()` second at which it began.
    """

    statuses: Counter[int]
    began_s: float
    elapsed_s: float
    hits: tuple[Hit, ...]

    @property
    def replies(self) -> tuple[Reply, ...]:
        return tuple(hit.reply for hit in self.hits)

    def of(self, status: int) -> tuple[Reply, ...]:
        """Return the answers of one status."""
        return tuple(reply for reply in self.replies if reply.status == status)


class BurstProbe:
    """Sends bursts to one deployment."""

    def __init__(
        self, deployment: Deployment, *, auth_header: str = "X-API-Key", pace: Pace | None = None
    ) -> None:
        self._deployment = deployment
        self._auth_header = auth_header
        self._pace = pace

    def __call__(
        self,
        n: int,
        path: str | Sequence[str],
        *,
        method: str | Sequence[str] = "GET",
        concurrency: int = 8,
        stop_at: int | None = None,
        each: Callable[[int], Parts] | None = None,
        via: Via | None = None,
        base: Base = "tls",
        replica: int | None = None,
        connection: str = "kept",
        timeout_s: float = 10.0,
        **parts: Unpack[Parts],
    ) -> BurstResult:
        """Send `n` requests over `concurrency` connections that begin together.

        path, method: one, or several taken in turn. each: further parts of the i-th request (a key, a body).
        stop_at: send nothing more after the first answer of this status. connection "new": one a request.
        """
        paths = [path] if isinstance(path, str) else list(path)
        methods = [method] if isinstance(method, str) else list(method)
        requests = [
            compose(
                methods[i % len(methods)],
                paths[i % len(paths)],
                auth_header=self._auth_header,
                **_merged(parts, each(i) if each else {}),
            )
            for i in range(n)
        ]
        peer = (
            find_peer(self._deployment, base, via)
            if replica is None
            else replica_peers(self._deployment)[replica]
        )
        if self._pace and via is None:
            self._pace.take(paths[0], n)
        volley = _Volley(peer, requests, stop_at=stop_at, keep=connection == "kept", timeout_s=timeout_s)
        result = volley.fire(min(concurrency, n))
        _record(peer, requests, result, concurrency)
        return result


def _merged(parts: Parts, more: Parts) -> Parts:
    return cast("Parts", {**parts, **more})


class _Volley:
    """One burst while it runs."""

    def __init__(
        self, peer: Peer, requests: list[Request], *, stop_at: int | None, keep: bool, timeout_s: float
    ) -> None:
        self._peer = peer
        self._wire = [(request.encode(peer.authority), request.method) for request in requests]
        self._numbers = itertools.count()
        self._stop_at = stop_at
        self._stopped = threading.Event()
        self._keep = keep
        self._timeout_s = timeout_s
        self._started = 0.0
        self._hits: list[Hit] = []

    def fire(self, concurrency: int) -> BurstResult:
        barrier = threading.Barrier(concurrency, action=self._begin)
        threads = [threading.Thread(target=self._shoot, args=(barrier,)) for _ in range(concurrency)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ended = time.perf_counter()
        waited("target", self._started, ended)
        hits = tuple(sorted(self._hits, key=lambda hit: hit.at_s))
        return BurstResult(
            statuses=Counter(hit.reply.status for hit in hits),
            began_s=self._started,
            elapsed_s=ended - self._started,
            hits=hits,
        )

    def _begin(self) -> None:
        self._started = time.perf_counter()

    def _shoot(self, barrier: threading.Barrier) -> None:
        line = Line(self._peer, timeout_s=self._timeout_s)
        barrier.wait()
        try:
            while not self._stopped.is_set() and (number := next(self._numbers)) < len(self._wire):
                self._one(line, number)
        finally:
            line.close()

    def _one(self, line: Line, number: int) -> None:
        data, method = self._wire[number]
        at_s = time.perf_counter() - self._started
        reply = line.ask(data, method=method)
        done_s = time.perf_counter() - self._started
        self._hits.append(Hit(number=number, at_s=at_s, done_s=done_s, reply=reply))
        if reply.status == self._stop_at:
            self._stopped.set()
        if not self._keep:
            line.close()


def _record(peer: Peer, requests: list[Request], result: BurstResult, concurrency: int) -> None:
    first: dict[int, Hit] = {}
    for hit in result.hits:
        first.setdefault(hit.reply.status, hit)
    for hit in list(first.values())[:_SAMPLES]:
        record_exchange(peer, requests[hit.number], hit.reply)
    kinds: list[Json] = [
        f"{method} {path}" for method, path in dict.fromkeys((r.method, r.path) for r in requests)
    ]
    errors: list[Json] = [*dict.fromkeys(hit.reply.error for hit in result.hits if hit.reply.error)]
    record(
        Observation(
            subject=f"burst of {len(result.hits)} requests over {concurrency} connections",
            data={
                "requests": kinds[:8],
                "statuses": {str(status): count for status, count in sorted(result.statuses.items())},
                "elapsed_s": round(result.elapsed_s, 4),
                "errors": errors[:4],
            },
        )
    )
