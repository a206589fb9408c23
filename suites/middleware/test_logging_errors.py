"""What nobody expected is told to the operator, once and in full, and to nobody else."""

from __future__ import annotations

import json
import re
import secrets

from harness import control, defect, edit, floor
from harness.probes.logs import LogRecord
from harness.probes.reply import Reply
from harness.site import Site
from suites.middleware.rigged import CAUSE, HEALTH, RIGGED

ERRORS = "middleware.logging.errors"
LAYER, LOGS = "panotti/middleware/errors.py", "panotti/logs.py"

SWALLOWED = edit(
    "the exception is swallowed", LAYER, '        log.error("exception", exc_info=exception)\n', ""
)


@control(
    ERRORS,
    setup=RIGGED,
    broken_by=(
        edit(
            "the client is told the exception's text",
            LAYER,
            'return Problem(500, "Internal Server Error")',
            'return Problem(500, "Internal Server Error", str(exception))',
        ),
        edit(
            "the client is told the exception's class",
            LAYER,
            'return Problem(500, "Internal Server Error")',
            "kind = type(exception).__name__.encode()\n"
            '        return Problem(500, "Internal Server Error", headers=[(b"x-error", kind)])',
        ),
        edit(
            "the client is shown the traceback",
            LAYER,
            'return Problem(500, "Internal Server Error")',
            'shown = "".join(__import__("traceback").format_exception(exception))\n'
            '        return Problem(500, "Internal Server Error", shown)',
        ),
    ),
)
def test_the_client_is_told_nothing(site: Site) -> None:
    """The answer to an unhandled exception holds neither its text, its class, nor a place in the code."""
    _, reply = _provoke(site)

    shown = f"{reply.text}{reply.headers.items()}".lower()

    hints = (CAUSE, "runtimeerror", "traceback", ".py", "panotti/", "site-packages")
    found = [hint for hint in hints if hint in shown]
    assert not found, f"the answer tells: {found}"


@control(
    ERRORS,
    setup=RIGGED,
    broken_by=(
        edit(
            "the framework answers in plain text",
            "panotti/app.py",
            """        inner = AsyncExitStackMiddleware(self.router)
""",
            """        from starlette.middleware.errors import ServerErrorMiddleware
        inner = ServerErrorMiddleware(AsyncExitStackMiddleware(self.router))
""",
        ),
        edit(
            "the problem document has an id of its own",
            "panotti/problems.py",
            '    request_id = scope["state"]["request_id"]\n',
            '    request_id = __import__("os").urandom(16).hex()\n',
        ),
    ),
)
def test_the_client_gets_a_problem_document(site: Site) -> None:
    """An unhandled exception is answered by a problem document of status 500 with the request's id."""
    request_id, reply = _provoke(site)

    found = (reply.media_type, reply.field("status"), reply.field("request_id"))
    assert found == ("application/problem+json", 500, request_id), (
        f"media type, status and request id are {found}; the request's id was {request_id}"
    )
    assert reply.headers.get_list("x-request-id") == [request_id], (
        "the answer does not carry the request's id"
    )


@control(
    ERRORS,
    setup=RIGGED,
    broken_by=(
        SWALLOWED,
        edit("an exception is no error", LAYER, 'log.error("exception"', 'log.debug("exception"'),
        defect(
            "the exception is logged, and let through to be logged again",
            edit(
                "",
                LAYER,
                "found.status, found.title, found.detail, found.headers)\n",
                "found.status, found.title, found.detail, found.headers)\n"
                "            if found.status == 500:\n                raise\n",
            ),
            edit("", LOGS, '_REPEATED = ("Exception in ASGI application", ', "_REPEATED = ("),
        ),
    ),
)
def test_the_exception_is_logged_once(site: Site) -> None:
    """Of one unhandled exception the log holds one record that tells its cause, at level error."""
    mark = _mark(site)
    request_id, _ = _provoke(site)
    floor(site.logs.requests([request_id], since=mark)[request_id], "the request's own line has not come")

    told = _telling(site, mark)

    assert len(told) == 1, f"{len(told)} records tell the cause"
    assert told[0].get("level") in ("error", "critical"), f"it is logged at level {told[0].get('level')}"


@control(
    ERRORS,
    setup=RIGGED,
    broken_by=(
        edit(
            "without the traceback",
            LAYER,
            'log.error("exception", exc_info=exception)',
            'log.error("exception", cause=str(exception))',
        ),
        edit(
            "the traceback is cut from its end",
            LOGS,
            'fields["traceback"] = "".join(traceback.format_exception(exception))',
            'fields["traceback"] = "".join(traceback.format_exception(exception)[:3]) + str(exception)',
        ),
        edit(
            "the request's id is not remembered",
            "panotti/middleware/context.py",
            '        logs.request_id.set(state["request_id"])\n',
            "",
        ),
    ),
)
def test_the_record_leads_to_the_fault(site: Site) -> None:
    """The exception's record has the request's id, its class, and a traceback down to where it was raised."""
    mark = _mark(site)
    request_id, _ = _provoke(site)
    floor(site.logs.requests([request_id], since=mark)[request_id], "the request's own line has not come")
    told = _telling(site, mark)

    assert told, "no record tells the cause"
    text = json.dumps(dict(told[0]))
    frames = re.findall(r'File \\"([^"]+)\\", line \d+', text)
    missing = [part for part in ("RuntimeError", CAUSE) if part not in text]
    assert not missing, f"the record lacks {missing}"
    assert len(frames) > 1, f"the record has a traceback of {len(frames)} frames"
    assert frames[-1].endswith(HEALTH), f"the traceback ends in {frames[-1]}, not where it was raised"
    assert told[0].get("request_id") == request_id, f"it names the request {told[0].get('request_id')}"


@control(
    ERRORS,
    setup=RIGGED,
    broken_by=(
        edit(
            "a failed request is logged as information",
            "panotti/middleware/context.py",
            "logging.ERROR if status >= 500 else logging.INFO",
            "logging.INFO",
        ),
        edit(
            "a failed request leaves no line",
            "panotti/middleware/context.py",
            "    logs.write_request(\n",
            "    status == 500 or logs.write_request(\n",
        ),
    ),
)
def test_the_failed_request_has_its_line(site: Site) -> None:
    """The request that failed has its own line as well, with status 500 and at level error."""
    mark = _mark(site)
    request_id, reply = _provoke(site)

    lines = site.logs.requests([request_id], since=mark)[request_id]

    found = [(line.get("status"), line.get("level")) for line in lines]
    assert found == [(reply.status, "error")], f"status and level of its lines: {found}"


def _mark(site: Site) -> int:
    site.contract.capability("logs")
    return site.logs.mark()


def _provoke(site: Site) -> tuple[str, Reply]:
    """Let a route raise; return the id of the request and its answer."""
    request_id, mark = f"provoked-{secrets.token_hex(8)}", site.logs.mark()
    reply = site.http.get(
        site.contract.path("version.path"), key=site.key(), headers={"X-Request-ID": request_id}
    )
    # Its last line; what comes later would be taken for that of the next check's request.
    site.logs.wait_for(since=mark, event="request", request_id=request_id)
    floor(reply.status >= 500, f"the route that raises was answered {reply.status or reply.error}")
    return request_id, reply


def _telling(site: Site, mark: int) -> list[LogRecord]:
    """The records that hold the exception's text."""
    return [line for line in site.logs.records(since=mark) if CAUSE in str(dict(line))]
