"""One planned request, and the connections that all of them share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import gevent.ssl
import orjson
from geventhttpclient.client import HTTPClient

from harness.load.order import Reach, Witness

if TYPE_CHECKING:
    from harness.load.generator.arrivals import OpenUser

TIMEOUT_S: Final = 10.0
# An open model has as many requests under way as the server is slow: they must not wait for the pool.
_CONNECTIONS: Final = 1024


class Wrong(Exception):
    """The answer is not what the step asked for; the argument says what it was."""


class Arrival:
    """One request of the plan. due, answered: `time.perf_counter()` seconds. status 0: no answer.

    name: of the step that it is counted as; a step that does another one's work says so.
    """

    def __init__(self, user: OpenUser, name: str, due: float) -> None:
        self._user = user
        self.name = name
        self.due = due
        self.answered = 0.0
        self.status = 0
        self.method = "-"
        self.size = 0

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        write: tuple[str, str] | None = None,
    ) -> Any:
        """Send the request with the next key; return the answer's JSON. Raises `Wrong` for all but 2xx.

        write: kind and id of what it writes, to be compared with what is stored later.
        """
        self.method = method
        reach = self._user.order.reach
        fields = {reach.auth_header: self._user.next_key(), "Accept": "application/json", **(headers or {})}
        if json is not None:
            fields["Content-Type"] = "application/json"
        body = b"" if json is None else orjson.dumps(json)
        try:
            self.status, answer = exchange(self._user.client, method, path, body, fields)
            self.size = len(answer)
        finally:
            self.answered = time.perf_counter()
            if write:
                self._user.tally.wrote(*write, status=self.status)
        if not 200 <= self.status < 300:
            raise Wrong(f"status {self.status}")
        return orjson.loads(answer)


def client_for(reach: Reach | Witness) -> HTTPClient:
    """Return the connections to a server; its certificate is checked against the root and the name."""
    parts = urlsplit(reach.base_url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    options = {"server_hostname": reach.host}
    if reach.ca_file:
        options["ca_certs"] = reach.ca_file
    return HTTPClient(
        parts.hostname or "",
        port,
        headers={"Host": f"{reach.host}:{port}", "User-Agent": "harness-load"},
        concurrency=_CONNECTIONS,
        connection_timeout=TIMEOUT_S,
        network_timeout=TIMEOUT_S,
        ssl=secure,
        ssl_options=options if secure else None,
        ssl_context_factory=gevent.ssl.create_default_context if secure else None,
    )


def exchange(
    client: HTTPClient, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, bytes]:
    """Send one request; return the answer's status and body. Raises what the connection raises."""
    response = client.request(method, path, body=body, headers=dict(headers))
    content = bytes(response.read())
    return int(response.get_code()), content
