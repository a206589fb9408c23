"""What a stage asks a release itself, past the switch, and the edge, so that no silence looks like health."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Unpack

from harness.contract import Contract
from harness.errors import StageError
from harness.load.order import Reach
from harness.probes.message import Parts, compose
from harness.probes.peer import Peer
from harness.probes.reply import Reply
from harness.probes.wire import Line
from harness.releases.stage import Release
from harness.runtimes.realised import each

_ANSWER_S: Final = 5.0
_LANES: Final = 4  # connections, and keys: one alone would use its quota up
_PAUSE_S: Final = 0.08  # between two questions of a lane: 50 a second in all
_TENANT: Final = "release-watch"


class Asking:
    """Asks as a client does, at one address. reach: the credentials, and the root to trust."""

    def __init__(self, contract: Contract, reach: Reach, host: str, port: int, *, tls: bool) -> None:
        self._contract = contract
        self._reach = reach
        self._peer = Peer(
            host=host,
            port=port,
            tls=tls,
            name=reach.host,
            authority=f"{reach.host}:{port}",
            ca_file=Path(reach.ca_file) if reach.ca_file else None,
        )

    def ask(self, method: str, path: str, **parts: Unpack[Parts]) -> Reply:
        """Ask once, over a connection of its own."""
        line = Line(self._peer, timeout_s=_ANSWER_S)
        try:
            return self._over(line, method, path, **parts)
        finally:
            line.close()

    def version(self) -> tuple[str, str]:
        """Return the version and the schema that it says it has. Raises `StageError`."""
        reply = self._good("GET", self._contract.path("version.path"), key=self._reach.key)
        return reply.string("version"), reply.string("schema_revision")

    def ready(self) -> bool | None:
        """Whether it says that it can serve; None while it says nothing."""
        reply = self.ask("GET", f"{self._contract.http.base_path}{self._contract.launch.ready_path}")
        return reply.ok if reply else None

    def check(self, release: Release) -> None:
        """Raise `StageError` unless it is ready and is the release."""
        if not self.ready():
            raise StageError(f"a replica is not ready, at {self._peer.socket_url}")
        version, schema = self.version()
        if (version, schema) != (release.version, release.schema):
            raise StageError(
                f"a replica says that it is {version} with the schema {schema}, "
                f"and not {release.version} with {release.schema}"
            )

    def write(self) -> str:
        """Begin a recording; return its id. Raises `StageError`."""
        id_ = f"release-{secrets.token_hex(8)}"
        path = self._contract.path("recordings.started")
        self._good("POST", path, key=self._reach.key, json={"recordingId": id_})
        return id_

    def read(self, id_: str) -> None:
        """Read a recording back. Raises `StageError`."""
        path = self._contract.path("recordings.read").replace("{recording_id}", id_)
        reply = self._good("GET", path, key=self._reach.key)
        if reply.string("recording_id") != id_:
            raise StageError(f"the recording {id_} was read back as {reply.string('recording_id') or 'none'}")

    @contextmanager
    def steadily(self) -> Iterator[None]:
        """Ask for what needs every layer and the database, 50 times a second, inside the block."""
        over = threading.Event()
        admin = self._key("admin", self._reach.key)
        readers = each(lambda _: self._key("reader", admin["key"]), range(_LANES))
        lanes = [threading.Thread(target=self._lane, args=(one["key"], over)) for one in readers]
        for lane in lanes:
            lane.start()
        try:
            yield
        finally:
            over.set()
            for lane in lanes:
                lane.join()
            each(lambda one: self._revoke(one, admin), readers)
            self._revoke(admin, admin)

    def _lane(self, key: str, over: threading.Event) -> None:
        line, path = Line(self._peer, timeout_s=_ANSWER_S), self._contract.path("recordings.list")
        try:
            while not over.wait(_PAUSE_S):
                self._over(line, "GET", path, key=key)
        finally:
            line.close()

    def _key(self, role: str, maker: str) -> dict[str, str]:
        """A key of a tenant of its own, which has no recordings."""
        wanted = {"principal": f"watch-{secrets.token_hex(6)}", "tenant": _TENANT, "role": role}
        reply = self._good("POST", self._contract.path("administration.api_keys"), key=maker, json={**wanted})
        return {name: reply.string(name) for name in ("id", "key")}

    def _revoke(self, one: dict[str, str], admin: dict[str, str]) -> None:
        path = self._contract.path("administration.key").replace("{key_id}", one["id"])
        self.ask("DELETE", path, key=admin["key"])

    def _good(self, method: str, path: str, **parts: Unpack[Parts]) -> Reply:
        reply = self.ask(method, path, **parts)
        if not reply.ok:
            raise StageError(f"{method} {path}: {reply.status or reply.error}, at {self._peer.socket_url}")
        return reply

    def _over(self, line: Line, method: str, path: str, **parts: Unpack[Parts]) -> Reply:
        request = compose(method, path, auth_header=self._reach.auth_header, **parts)
        return line.ask(request.encode(self._peer.authority), method=method)
