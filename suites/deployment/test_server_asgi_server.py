"""The ASGI server serves, drains and stops cleanly."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping

from harness import Observation, control, edit, floor, record, setting
from harness.probes.message import Parts
from harness.probes.reply import Reply
from harness.site import Site

IDLE_S = 1.0  # a page's next request comes at least this late
IN_FLIGHT = 6  # enough for every worker to have one
STOPPING_S = 1.0  # well within the grace, and more than a server needs to begin to stop
REFUSED_WITHIN_S = 2.0
# "uvicorn/0.54", "Passenger 6.0"; not the protocol version that Via begins with (RFC 9110 7.6.3).
VERSION = re.compile(r"[A-Za-z]/v?\d|[A-Za-z]\s+\d+\.\d+")

KILLED_AT_ONCE = edit(
    "workers are killed instead of told to stop",
    "panotti/processes.py",
    "self._tell(signal.SIGTERM)\n        deadline",
    "self._tell(signal.SIGKILL)\n        deadline",
)
SIGTERM_IGNORED = edit(
    "only SIGINT stops the server",
    "panotti/processes.py",
    "case signal.SIGTERM | signal.SIGINT:",
    "case signal.SIGINT:",
)


@control(
    "deployment.server.asgi-server",
    broken_by=(
        setting(title="keep-alive time given in the wrong unit", KEEPALIVE_TIMEOUT=0.015),
        edit(
            "every answer ends its connection",
            "panotti/protocol.py",
            "        if self.leaving:\n            self.cycle.keep_alive = False",
            "        self.cycle.keep_alive = False",
        ),
    ),
)
def test_one_connection_carries_several_requests(site: Site) -> None:
    """A connection stays open for the next request, also after a pause (RFC 9112 9.3)."""
    message = site.raw.message("GET", site.contract.path("health.simple"))
    statuses = []
    with site.raw.open() as wire:
        for pause_s in (0.0, 0.0, IDLE_S):
            site.demanded_wait(
                pause_s, why="the client is idle", until=lambda: wire.closed or wire.wait_closed(0)
            )
            wire.send(message)
            statuses.append(wire.read().status)
    record(Observation(subject="requests on one connection", data={"statuses": [*statuses]}))

    assert statuses == [200] * 3, f"three requests on one connection were answered {statuses}"


@control(
    "deployment.server.asgi-server",
    broken_by=edit(
        "the first part of a body is taken for the whole",
        "panotti/middleware/limits.py",
        'more = message.get("more_body", False)',
        "more = False",
    ),
)
def test_a_chunked_body_reaches_the_application_whole(site: Site) -> None:
    """A request body in chunks (RFC 9112 7.1) reaches the application as if it had been sent at once."""
    path, recording = site.contract.path("recordings.started"), f"rec-{secrets.token_hex(8)}"
    head = site.raw.message(
        "POST",
        path,
        key=site.key(),
        headers={"Transfer-Encoding": "chunked", "Content-Type": "application/json"},
    )
    body = f'{{"recordingId": "{recording}"}}'.encode()
    reply = site.raw(
        [head, _chunk(body[:20]), 0.05, _chunk(body[20:]), 0.05, b"0\r\n\r\n"], timeout_s=5, method="POST"
    )

    assert reply.status == 200, f"a chunked request was answered {reply.status or reply.error}"
    assert reply.string("recording_id") == recording, "the answer speaks of another recording"


@control(
    "deployment.server.asgi-server",
    broken_by=(
        edit(
            "the server names itself and its version",
            "panotti/worker.py",
            "server_header=False,",
            'server_header=False, headers=[("server", f"uvicorn/{uvicorn.__version__}")],',
        ),
        edit(
            "refusals of malformed requests name the server's version",
            "panotti/protocol.py",
            'headers += [(b"x-request-id"',
            'headers += [(b"server", b"uvicorn/0.54.0"), (b"x-request-id"',
        ),
    ),
)
def test_no_answer_tells_the_servers_version(site: Site) -> None:
    """Neither an answer, nor a refusal by application or parser, tells a version (ASVS v5.0.0-13.4.6)."""
    answers = _answers_of_every_kind(site)
    floor(answers["served"].status == 200, "nothing was served, so its headers say nothing")
    floor(answers["refused by the parser"].status == 400, "a malformed request was not answered 400")
    leaks = {
        f"{name}: {value} ({kind})"
        for kind, reply in answers.items()
        for name, value in reply.headers.items()
        if name.lower() in site.policy.headers.unversioned and VERSION.search(value)
    }

    assert not leaks, f"headers tell versions: {', '.join(sorted(leaks))}"


@control(
    "deployment.server.asgi-server",
    fresh=True,
    intrusive=True,
    broken_by=(
        KILLED_AT_ONCE,
        setting(title="grace time too short for any request", SHUTDOWN_GRACE=0.6),
        edit(
            "connections are closed without regard to their requests",
            "panotti/protocol.py",
            "        if self._busy():\n            self.cycle.keep_alive = False\n        else:\n",
            "        if self._busy():\n            self.transport.close()\n        else:\n",
        ),
    ),
)
def test_requests_in_flight_finish_after_sigterm(site: Site) -> None:
    """A request that was in flight when the server was told to stop is answered in full."""
    with site.hold(site.contract.path("recordings.started"), n=IN_FLIGHT, each=_recording(site)) as held:
        floor(
            all(request.begun for request in held),
            "the server did not ask for the bodies it was to expect, so nothing is known to be in flight",
        )
        site.server.terminate()
        site.demanded_wait(STOPPING_S, why="the server has begun to stop")
        replies = [request.finish() for request in held]
    answers = [reply.status or reply.error for reply in replies]

    assert answers == [200] * IN_FLIGHT, f"requests in flight at SIGTERM came to {answers}"
    ended = site.server.exit_status(site.policy.server.shutdown_grace_s)
    floor(ended is not None, "the server went on after SIGTERM, so nothing was there to cut the requests off")


@control(
    "deployment.server.asgi-server",
    fresh=True,
    intrusive=True,
    broken_by=(
        SIGTERM_IGNORED,
        edit(
            "the supervisor keeps the listening sockets while the workers drain",
            "panotti/processes.py",
            "            if sock is not None:\n                sock.close()",
            "            pass",
        ),
        edit(
            "the supervisor leaves SIGTERM to its default",
            "panotti/processes.py",
            "HANDLED = (signal.SIGTERM, signal.SIGINT,",
            "HANDLED = (signal.SIGINT,",
        ),
        edit(
            "the exit status tells of the signal",
            "panotti/processes.py",
            "        self._stop()\n        return self.status",
            "        self._stop()\n        return self.status or 128 + signal.SIGTERM",
        ),
    ),
)
def test_a_stopping_server_takes_nothing_new_and_ends_with_0(site: Site) -> None:
    """Told to stop, it refuses new connections while it drains, and ends with 0 within the grace time."""
    grace_s = site.policy.server.shutdown_grace_s
    with site.hold(site.contract.path("recordings.started"), each=_recording(site)) as held:
        floor(held[0].begun, "the server did not ask for the body, so it has nothing to drain")
        site.http.close()  # a server may wait for the last word of idle TLS connections
        site.server.terminate()
        refusal = site.eventually(lambda: _refusal(site), timeout_s=REFUSED_WITHIN_S)
        held[0].finish()
    status = site.server.exit_status(grace_s)

    assert refusal, f"{REFUSED_WITHIN_S:g} s after SIGTERM new connections were still served"
    assert "Timeout" not in refusal, "new connections are neither served nor refused: they hang"
    assert status is not None, f"{grace_s:g} s after its last request the server was still running"
    assert status == 0, f"the server ended with status {status}"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _recording(site: Site) -> Callable[[int], Parts]:
    key = site.key()
    return lambda _: {"key": key, "json": {"recordingId": f"rec-{secrets.token_hex(8)}"}}


def _answers_of_every_kind(site: Site) -> Mapping[str, Reply]:
    served = site.contract.path("health.simple")
    answers: dict[str, Reply] = {
        "served": site.http.get(served),
        "not found": site.http.get(f"/{secrets.token_hex(8)}"),
        "method refused": site.http.delete(served),
        "refused by the parser": site.raw(b"NOT HTTP AT ALL\r\n\r\n", timeout_s=5),
    }
    if site.deployment.plain_url is not None:
        answers["plain"] = site.http.get("/", base="plain")
    return answers


def _refusal(site: Site) -> str:
    """How a new connection failed; "" when it was served."""
    path = site.contract.path("health.simple")
    return site.http.get(path, base="replica", connection="new", timeout_s=1.0).error
