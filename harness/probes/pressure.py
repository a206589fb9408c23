"""As many writes as a deployment can take: what it serves is then what it is able to.

A closed workload: a connection sends its next write as soon as the one before is answered. Their latencies
tell of the number of connections alone; nothing is judged by them.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from harness.contract import Contract
from harness.credentials import Credentials
from harness.evidence import record
from harness.load.records import Writes
from harness.principals import ApiKey
from harness.probes.message import compose
from harness.probes.peer import Peer, find_peer
from harness.probes.wire import Line
from harness.records import Json, Observation
from harness.runtimes import Deployment

_LANES: Final = 32  # connections
_KEYS: Final = 2  # of each of them: one key's quota is below what a quick server can do
_ANSWER_S: Final = 10.0
_PAUSE_S: Final = 0.1  # after a refusal: to ask again at once would be a flood


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """done_s: the `time.monotonic()` second of the answer. status 0: none came."""

    done_s: float
    status: int
    recording: str

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(slots=True, kw_only=True)
class Pressure:
    """What was answered so far. tenant: to whom the recordings belong. keys: those of each connection."""

    tenant: str
    keys: Sequence[Sequence[ApiKey]] = field(repr=False)
    answers: list[Answer] = field(default_factory=list)

    def served(self, since: float, until: float) -> int:
        """Return how many writes were acknowledged between two `time.monotonic()` seconds."""
        return sum(one.ok and since <= one.done_s < until for one in [*self.answers])

    @property
    def writes(self) -> Mapping[str, Writes]:
        """What became of the writes, as a load run tells it."""
        return {
            "started": Writes(
                acknowledged=tuple(one.recording for one in self.answers if one.ok),
                # Without an answer, or with 5xx: it may have happened or not.
                unknown=tuple(one.recording for one in self.answers if not 0 < one.status < 500),
            )
        }


class PressureProbe:
    """Puts pressure on one deployment, from behind its trusted proxy: each connection is another client."""

    def __init__(self, deployment: Deployment, *, contract: Contract, credentials: Credentials) -> None:
        self._deployment = deployment
        self._contract = contract
        self._credentials = credentials

    @contextmanager
    def __call__(self, more: Pressure | None = None) -> Iterator[Pressure]:
        """Begin recordings inside the block, in a tenant of their own, over several connections at once.

        more: one under way, on which as much is put again. Raises NotVerified where no key can be made, or no
        client stands behind a proxy.
        """
        peer, over = find_peer(self._deployment, via="proxy"), threading.Event()
        pressure = more or self._fresh()
        threads = [
            threading.Thread(target=self._press, args=(peer, keys, pressure, over)) for keys in pressure.keys
        ]
        for thread in threads:
            thread.start()
        try:
            yield pressure
        finally:
            over.set()
            for thread in threads:
                thread.join()
            _record(pressure)

    def _fresh(self) -> Pressure:
        tenant = f"pressure-{secrets.token_hex(4)}"
        keys = [[self._credentials.key("writer", tenant) for _ in range(_KEYS)] for _ in range(_LANES)]
        return Pressure(tenant=tenant, keys=keys)

    def _press(self, peer: Peer, keys: Sequence[ApiKey], pressure: Pressure, over: threading.Event) -> None:
        path, client = self._contract.path("recordings.started"), _somebody()
        line, turn = Line(peer, timeout_s=_ANSWER_S), cycle(keys)
        try:
            while not over.is_set():
                recording = f"pressure-{secrets.token_hex(8)}"
                request = compose(
                    "POST",
                    path,
                    auth_header=self._contract.http.auth_header,
                    key=next(turn),
                    json={"recordingId": recording},
                    headers={"X-Forwarded-For": client, "Idempotency-Key": secrets.token_hex(16)},
                )
                status = line.ask(request.encode(peer.authority), method="POST").status
                answer = Answer(done_s=time.monotonic(), status=status, recording=recording)
                pressure.answers.append(answer)
                if not answer.ok:
                    over.wait(_PAUSE_S)
        finally:
            line.close()


def _somebody() -> str:
    """A client address of a carrier's network (RFC 6598)."""
    return f"100.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def _record(pressure: Pressure) -> None:
    counts = Counter(one.status for one in pressure.answers)
    statuses: dict[str, Json] = {str(status): count for status, count in sorted(counts.items())}
    record(
        Observation(
            subject=f"{len(pressure.answers)} writes over {_LANES} connections that never wait",
            data={"statuses": statuses},
        )
    )
