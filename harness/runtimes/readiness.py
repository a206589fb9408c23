"""Waiting for a server by events: its first good answer, or its end, whichever comes first."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.runtimes import StartFailure

_INTERVAL_S = 0.02
_LOOK_S = 0.1  # between two looks at whether it has ended, which cost Docker more than a refused connection
_ANSWER_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a server is to answer once it is ready. `host_name` goes into the Host header."""

    base_url: str
    path: str
    host_name: str


def await_ready(
    door: Door,
    *,
    exited: Callable[[], int | None],
    output: Callable[[], str],
    timeout_s: float,
    ours: Callable[[], bool] = lambda: True,
) -> StartFailure | None:
    """Return None once the door answers 2xx, a `StartFailure` when the server ended or time ran out.

    ours: whether it is this server that answers there, and not one that was faster to take the port.
    """
    began = look_at = time.monotonic()
    while True:
        if answers(door) and ours():
            return None
        now = time.monotonic()
        if now >= look_at:
            status, look_at = exited(), now + _LOOK_S
            if status is not None or now >= began + timeout_s:
                return StartFailure(status=status, output=output())
        # The longer it takes, the busier the machine: asking as often as at first would keep it so.
        time.sleep(min(max(_INTERVAL_S, (now - began) / 20), _LOOK_S))


def await_line(
    *, exited: Callable[[], int | None], output: Callable[[], str], timeout_s: float
) -> StartFailure | None:
    """Return None once a program has printed a whole line, a `StartFailure` when it ended or time ran out."""
    deadline = time.monotonic() + timeout_s
    while True:
        status, printed = exited(), output()
        if status is None and "\n" in printed:
            return None
        if status is not None or time.monotonic() >= deadline:
            return StartFailure(status=status, output=printed)
        time.sleep(_INTERVAL_S)


def answers(door: Door) -> bool:
    """Whether one request to the door is answered with 2xx.

    The certificate is not verified: a faulty one is for the checks to find, not a reason never to be ready.
    """
    parts = urlsplit(door.base_url)
    address = (parts.hostname or "", parts.port)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(*address, timeout=_ANSWER_S, context=context)
    else:
        connection = http.client.HTTPConnection(*address, timeout=_ANSWER_S)
    try:
        connection.request("GET", door.path, headers={"Host": door.host_name})
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
