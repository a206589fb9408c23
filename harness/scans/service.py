"""Where pip-audit asks: OSV's online service where it answers, else the same answers from a snapshot."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx

from harness.errors import HarnessError
from harness.scans.advisories import SHIPPED, Snapshot, read_snapshot

ONLINE: Final = "https://api.osv.dev/v1/query"
_ANSWERS_S: Final = 3.0
_LARGEST: Final = 65_536  # bytes of a question


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where advisories come from. taken: the day of the newest; the online service is of this moment."""

    name: str
    url: str
    taken: datetime
    advisories: int = 0


@contextmanager
def advisories(given: Path | None, *, online: bool = True) -> Iterator[Service]:
    """Serve advisories for the block: a given snapshot's alone, else the online ones, else the shipped ones.

    Raises `AdvisoriesError` for a snapshot that cannot be read.
    """
    if given is None and online and answers(ONLINE):
        yield Service(name="api.osv.dev", url=ONLINE, taken=datetime.now(UTC))
        return
    with served(read_snapshot(given or SHIPPED)) as service:
        yield service


@cache
def answers(url: str) -> bool:
    """Whether a service knows an old vulnerability, which is more than that something answers; asked once."""
    question = {"package": {"name": "django", "ecosystem": "PyPI"}, "version": "1.2"}
    try:
        return bool(httpx.post(url, json=question, timeout=_ANSWERS_S).raise_for_status().json().get("vulns"))
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


@contextmanager
def served(snapshot: Snapshot) -> Iterator[Service]:
    """Answer OSV's `POST /v1/query` on a port of 127.0.0.1 from a snapshot, for the block."""

    class Handler(_Handler):
        known = snapshot

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="advisories", daemon=True)
        thread.start()
        try:
            yield Service(
                name=snapshot.name,
                url=f"http://127.0.0.1:{server.server_address[1]}/v1/query",
                taken=snapshot.taken,
                advisories=snapshot.count,
            )
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    known: Snapshot
    timeout = 10
    wbufsize = -1  # head and body in one piece: in two, each answer waits 40 ms for the first one's receipt
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/v1/query" or not length.isdecimal() or int(length) > _LARGEST:
            self._answer(404 if self.path != "/v1/query" else 400, {"message": "POST a query to /v1/query"})
            return
        try:
            question = json.loads(self.rfile.read(int(length)))
            found = self.known.about(str(question["package"]["name"]), str(question["version"]))
        except (ValueError, KeyError, TypeError) as cause:
            self._answer(400, {"message": f"not a query: {cause}"})
            return
        except HarnessError as cause:
            self._answer(500, {"message": cause.what})
            return
        self._answer(200, {"vulns": [dict(advisory) for advisory in found]} if found else {})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
        """Say nothing: the terminal is the run's."""
