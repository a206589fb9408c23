"""Writes that go on while something is done to the deployment, each with what its client learnt of it.

They are planned, and begin when they are due, whatever became of those before. One whose outcome stays
unknown is sent again under the same idempotency key, as a careful client does.
"""

from __future__ import annotations

import contextvars
import queue
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import orjson

from harness.contract import Contract
from harness.credentials import Credentials
from harness.evidence import record
from harness.load.order import keys_for
from harness.policy import Policy
from harness.probes.message import compose
from harness.probes.peer import Peer, find_peer
from harness.probes.readback import ReadBackProbe
from harness.probes.wire import Line
from harness.records import Json, Observation
from harness.releases.history import Answered, Attempt, Content, Judged, Write, judge
from harness.runtimes import Deployment

_LANES: Final = 32  # writes under way at once; what is due beyond them is withheld, and told
_ATTEMPTS: Final = 5
_PAUSE_S: Final = 0.2  # before a write is sent again; grows with every attempt
_ANSWER_S: Final = 10.0
_IDLE_S: Final = 2.0  # an edge may close a connection that was silent for longer
_EVENT: Final = "recording.started"
_FIELDS: Final = ("system_audio_path", "microphone_audio_path")
_SHOWN: Final = 5


@dataclass(slots=True)
class Writing:
    """What was written so far; in the order of the plan once it has ended.

    withheld: writes that were due and could not begin, as too many were under way.
    """

    tenant: str
    writes: list[Write] = field(default_factory=list)
    withheld: int = 0

    @property
    def failed(self) -> list[Write]:
        """Those that were never acknowledged."""
        return [write for write in self.writes if write.answered is not Answered.ACKNOWLEDGED]

    @property
    def disturbed(self) -> list[Write]:
        """Those whose first attempt was not acknowledged."""
        return [write for write in self.writes if write.disturbed]

    def told(self) -> str:
        """What disturbed them, in few words."""
        found = Counter(str(w.attempts[0].status or w.attempts[0].error) for w in self.disturbed)
        return ", ".join(f"{number} x {what}" for what, number in found.most_common(_SHOWN))


class WriteProbe:
    """Writes recordings to one deployment, and reads them back."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        policy: Policy,
        contract: Contract,
        credentials: Credentials,
        back: ReadBackProbe,
    ) -> None:
        self._deployment = deployment
        self._policy = policy
        self._contract = contract
        self._credentials = credentials
        self._back = back

    @contextmanager
    def __call__(self, *, per_s: float = 20.0) -> Iterator[Writing]:
        """Begin recordings inside the block, `per_s` a second, in a tenant of their own.

        At the end of the block it waits for those under way. Raises NotVerified where no key can be made.
        """
        path = self._contract.path("recordings.started")
        writing = Writing(tenant=f"history-{secrets.token_hex(4)}")
        number = keys_for(per_s, self._policy)
        keys = [self._credentials.key("writer", writing.tenant).value for _ in range(number)]
        pen = _Pen(find_peer(self._deployment), path, self._contract.http.auth_header, keys)
        over = threading.Event()
        with ThreadPoolExecutor(max_workers=1) as clerk:
            planned = clerk.submit(contextvars.copy_context().run, pen.write, writing, per_s, over)
            try:
                yield writing
            finally:
                over.set()
                planned.result()
        writing.writes.sort(key=lambda write: write.due)
        _record(writing)

    def judged(self, writing: Writing) -> Judged:
        """Read everything back, by recording and by the listing; return what became of each write."""
        sent = [write.id for write in writing.writes]
        listed = self._back.listed(writing.tenant)
        strange = sorted(set(listed) - set(sent))
        events = self._back.events([*sent, *strange], writing.tenant)
        stored = {
            id_: [_content(one) for one in found if one.get("event") == _EVENT]
            for id_, found in events.items()
        }
        found = judge(writing.writes, stored)
        counts: dict[str, Json] = {f"{answered}, {fate}": n for (answered, fate), n in found.counts.items()}
        broken: list[Json] = [*found.broken[:_SHOWN]]
        record(
            Observation(
                subject=f"{len(sent)} writes, read back",
                data={"counts": counts, "broken": broken, "listed": len(listed)},
            )
        )
        return found


class _Pen:
    """Sends writes over kept connections, each used by one write at a time."""

    def __init__(self, peer: Peer, path: str, auth_header: str, keys: list[str]) -> None:
        self._peer = peer
        self._path = path
        self._auth_header = auth_header
        self._keys = keys
        self._lines: queue.LifoQueue[tuple[Line, float]] = queue.LifoQueue()
        for _ in range(_LANES):
            self._lines.put((Line(peer, timeout_s=_ANSWER_S), 0.0))

    def write(self, writing: Writing, per_s: float, over: threading.Event) -> None:
        """Begin each write when it is due, until `over`; return when the last has ended."""
        began, epoch = time.monotonic(), time.time() - time.monotonic()
        under_way: list[Future[None]] = []
        with ThreadPoolExecutor(max_workers=_LANES) as pool:
            for number in count():
                due = began + number / per_s
                if over.wait(max(0.0, due - time.monotonic())):
                    break
                try:
                    line, used = self._lines.get_nowait()
                except queue.Empty:
                    writing.withheld += 1
                    continue
                if time.monotonic() - used > _IDLE_S:
                    line.close()
                under_way.append(pool.submit(self._one, writing, number, due + epoch, line))
        while not self._lines.empty():
            self._lines.get_nowait()[0].close()
        for one in under_way:
            one.result()

    def _one(self, writing: Writing, number: int, due: float, line: Line) -> None:
        id_, key = f"write-{number}-{secrets.token_hex(4)}", secrets.token_hex(16)
        body = _body(id_, number)
        request = compose(
            "POST",
            self._path,
            auth_header=self._auth_header,
            key=self._keys[number % len(self._keys)],
            json=body,
            headers={"Idempotency-Key": key},
        ).encode(self._peer.authority)
        attempts: list[Attempt] = []
        try:
            while len(attempts) < _ATTEMPTS:
                attempts.append(_attempt(line, request))
                if attempts[-1].answered is not Answered.UNKNOWN:
                    break
                time.sleep(_PAUSE_S * len(attempts))
        finally:
            self._lines.put((line, time.monotonic()))
        writing.writes.append(Write(id=id_, due=due, content=_content(body), attempts=tuple(attempts)))


def _attempt(line: Line, request: bytes) -> Attempt:
    at = time.time()
    reply = line.ask(request, method="POST")
    return Attempt(at=at, done=time.time(), status=reply.status, error=reply.error)


def _body(id_: str, number: int) -> dict[str, Json]:
    return {
        "recordingId": id_,
        "metadata": {"write": id_, "number": number},
        "system_audio_path": f"/audio/{id_}/system.wav",
        "microphone_audio_path": f"/audio/{id_}/microphone.wav",
    }


def _content(found: Any) -> Content:
    """What of a write must be there again, of what was sent or of what was read back."""
    metadata = orjson.dumps(found.get("metadata"), option=orjson.OPT_SORT_KEYS).decode()
    return {"metadata": metadata, **{name: str(found.get(name)) for name in _FIELDS}}


def _record(writing: Writing) -> None:
    answered = Counter(str(write.answered) for write in writing.writes)
    slowest = max((write.done - write.due for write in writing.writes), default=0.0)
    record(
        Observation(
            subject=f"{len(writing.writes)} writes while something was done",
            data={
                **answered,
                "withheld": writing.withheld,
                "sent again": len(writing.disturbed),
                "why": writing.told(),
                "slowest_s": round(slowest, 3),
            },
        )
    )
