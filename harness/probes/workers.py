"""One kept connection to every worker process, so that each can be asked by itself."""

from __future__ import annotations

from functools import partial
from types import TracebackType
from typing import Final, Self, Unpack

from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.principals import ApiKey
from harness.probes.exchange import record_exchange
from harness.probes.message import Parts, compose
from harness.probes.peer import Peer, replica_peers
from harness.probes.reply import Reply
from harness.probes.waiting import together
from harness.probes.wire import Line
from harness.records import Observation
from harness.runtimes import Deployment

_MOST: Final = 96  # connections opened until every worker has taken one


class Workers:
    """Connections that stay open, one to each worker of each replica, past any edge; a context manager.

    Which worker took a connection is told by its own pid in the guarded detail (`worker.pid`).
    """

    def __init__(
        self, deployment: Deployment, *, detail: str, key: ApiKey, wanted: int, auth_header: str
    ) -> None:
        """Connect. Raises NotVerified unless `wanted` workers of each replica were reached."""
        self._auth_header = auth_header
        self._lines: dict[tuple[Peer, int], Line] = {}
        self._peers = replica_peers(deployment)
        for peer in self._peers:
            self._reach(peer, detail, key, wanted)
        every = wanted * len(self._peers)
        record(
            Observation(
                subject="workers reached",
                data={"pids": [pid for _, pid in self._lines], "wanted": every, "replicas": len(self._peers)},
            )
        )
        if len(self._lines) < every:
            self.close()
            raise NotVerified(f"{len(self._lines)} of {every} workers could be reached one by one")

    def __len__(self) -> int:
        """Return how many there are, of all replicas."""
        return len(self._lines)

    @property
    def pids(self) -> tuple[int, ...]:
        """What the workers of the first replica call themselves."""
        return tuple(pid for peer, pid in self._lines if peer == self._peers[0])

    def ask(self, method: str, path: str, **parts: Unpack[Parts]) -> list[Reply]:
        """Send the same request to each worker; return their answers, status 0 where a connection is gone."""
        request = compose(method, path, auth_header=self._auth_header, **parts)
        lines = [(peer, line) for (peer, _), line in self._lines.items()]
        # All at once: workers that wait for what hangs are not waited for one after another.
        with waiting_for_target():
            replies = together(
                *(partial(_ask, line, request.encode(peer.authority), method) for peer, line in lines)
            )
        for (peer, _), reply in zip(lines, replies, strict=True):
            record_exchange(peer, request, reply)
        return replies

    def close(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            line.close()

    def _reach(self, peer: Peer, detail: str, key: ApiKey, wanted: int) -> None:
        spare: list[Line] = []
        reached = 0
        try:
            with waiting_for_target():
                while reached < wanted and len(spare) < _MOST:
                    reached += self._take(peer, detail, key, spare)
        finally:
            for line in spare:
                line.close()

    def _take(self, peer: Peer, detail: str, key: ApiKey, spare: list[Line]) -> bool:
        line = Line(peer)
        request = compose("GET", detail, auth_header=self._auth_header, key=key)
        pid = line.ask(request.encode(peer.authority)).field("worker", "pid")
        if isinstance(pid, int) and (peer, pid) not in self._lines:
            self._lines[(peer, pid)] = line
            return True
        spare.append(line)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ask(line: Line, wire: bytes, method: str) -> Reply:
    if not line.connected:
        return Reply(status=0, error="the worker has ended this connection")  # another may go to another one
    return line.ask(wire, method=method)
