"""Requests at an even pace while something happens to the deployment: each answered, failed, and by whom."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from harness.evidence import record
from harness.probes.message import Parts, compose
from harness.probes.peer import Peer, find_peer
from harness.probes.reply import Reply
from harness.probes.wire import Line
from harness.records import Json, Observation
from harness.runtimes import Deployment

_LANES: Final = 4  # connections
_ANSWER_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """One request. at_s, done_s: `time.monotonic()` seconds. host: what answered, as it calls its machine.

    repeated: its kept connection was closed without an answer, and it was sent again over a new one.
    """

    at_s: float
    done_s: float
    status: int
    host: str
    error: str
    repeated: bool

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(slots=True)
class Stream:
    """What has passed so far; in order of time once it has ended."""

    passed: list[Passed] = field(default_factory=list)

    @property
    def failed(self) -> list[Passed]:
        """Those that were not answered 2xx."""
        return [one for one in self.passed if not one.ok]

    def hosts(self, since: float = 0.0) -> Counter[str]:
        """Who answered requests begun after `since`, a `time.monotonic()` second, and how many."""
        return Counter(one.host for one in self.passed if one.ok and one.at_s >= since)

    def told(self) -> str:
        """Their failures, in few words."""
        found = Counter(str(one.status) if one.status else one.error for one in self.failed)
        return ", ".join(f"{count} x {what}" for what, count in found.most_common(4))


class StreamProbe:
    """Sends streams to one deployment. The answers tell who gave them by `worker.host`."""

    def __init__(self, deployment: Deployment, *, auth_header: str = "X-API-Key") -> None:
        self._deployment = deployment
        self._auth_header = auth_header

    @contextmanager
    def __call__(
        self, path: str, *, method: str = "GET", per_s: float = 40.0, each: Callable[[int], Parts]
    ) -> Iterator[Stream]:
        """Send requests inside the block, `per_s` a second over a few kept connections.

        each: the parts of the i-th. A request that is late is sent at once: the pace has no gaps. As any
        client may (RFC 9110 9.2.2), it repeats a GET once whose kept connection ended without an answer.
        """
        peer, stream, over = find_peer(self._deployment), Stream(), threading.Event()
        began = time.monotonic()

        def lane(number: int) -> None:
            line = Line(peer, timeout_s=_ANSWER_S)
            try:
                while not over.wait(max(0.0, began + number / per_s - time.monotonic())):
                    stream.passed.append(self._one(peer, line, method, path, each(number)))
                    number += _LANES
            finally:
                line.close()

        threads = [threading.Thread(target=lane, args=(number,)) for number in range(_LANES)]
        for thread in threads:
            thread.start()
        try:
            yield stream
        finally:
            over.set()
            for thread in threads:
                thread.join()
            stream.passed.sort(key=lambda one: one.at_s)
            _record(method, path, stream)

    def _one(self, peer: Peer, line: Line, method: str, path: str, parts: Parts) -> Passed:
        request = compose(method, path, auth_header=self._auth_header, **parts)
        at_s = time.monotonic()
        kept, data = line.connected, request.encode(peer.authority)
        reply: Reply = line.ask(data, method=method)
        repeated = kept and not reply.status and method == "GET"
        if repeated:
            reply = line.ask(data, method=method)
        host = reply.field("worker", "host")
        return Passed(
            at_s=at_s,
            done_s=time.monotonic(),
            status=reply.status,
            host=host if isinstance(host, str) else "",
            error=reply.error,
            repeated=repeated,
        )


def _record(method: str, path: str, stream: Stream) -> None:
    statuses: dict[str, Json] = {
        str(status): count for status, count in Counter(one.status for one in stream.passed).items()
    }
    slowest = max((one.done_s - one.at_s for one in stream.passed), default=0.0)
    record(
        Observation(
            subject=f"stream of {len(stream.passed)} requests {method} {path}",
            data={
                "statuses": statuses,
                "by_host": {**stream.hosts()},
                "failures": stream.told(),
                "repeated": sum(one.repeated for one in stream.passed),
                "slowest_s": round(slowest, 3),
            },
        )
    )
