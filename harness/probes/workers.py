"""One kept connection to every worker process, so that each can be asked by itself."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self, Unpack

from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.principals import ApiKey
from harness.probes.exchange import record_exchange
from harness.probes.message import Parts, compose
from harness.probes.peer import find_peer
from harness.probes.reply import Reply
from harness.probes.wire import Line
from harness.records import Observation
from harness.runtimes import Deployment

_MOST: Final = 96  # connections opened until every worker has taken one


class Workers:
    """Connections that stay open, one to each worker; a context manager.

    Which worker took a connection is told by its own pid in the guarded detail (`worker.pid`).
    """

    def __init__(
        self, deployment: Deployment, *, detail: str, key: ApiKey, wanted: int, auth_header: str
    ) -> None:
        """Connect. Raises NotVerified unless `wanted` workers were reached."""
        self._peer = find_peer(deployment)
        self._auth_header = auth_header
        self._lines: dict[int, Line] = {}
        spare: list[Line] = []
        try:
            with waiting_for_target():
                while len(self._lines) < wanted and len(spare) < _MOST:
                    self._take(Line(self._peer), detail, key, spare)
        finally:
            for line in spare:
                line.close()
        record(Observation(subject="workers reached", data={"pids": [*self._lines], "wanted": wanted}))
        if len(self._lines) < wanted:
            self.close()
            raise NotVerified(f"{len(self._lines)} of {wanted} workers could be reached one by one")

    @property
    def pids(self) -> tuple[int, ...]:
        """What the workers call themselves."""
        return tuple(self._lines)

    def ask(self, method: str, path: str, **parts: Unpack[Parts]) -> list[Reply]:
        """Send the same request to each worker; return their answers, status 0 where a connection is gone."""
        request = compose(method, path, auth_header=self._auth_header, **parts)
        wire = request.encode(self._peer.authority)
        with waiting_for_target():
            replies = [_ask(line, wire, method) for line in self._lines.values()]
        for reply in replies:
            record_exchange(self._peer, request, reply)
        return replies

    def close(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            line.close()

    def _take(self, line: Line, detail: str, key: ApiKey, spare: list[Line]) -> None:
        request = compose("GET", detail, auth_header=self._auth_header, key=key)
        pid = line.ask(request.encode(self._peer.authority)).field("worker", "pid")
        if isinstance(pid, int) and pid not in self._lines:
            self._lines[pid] = line
        else:
            spare.append(line)

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
