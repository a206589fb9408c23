"""One structured line a request, whole and true."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime

from harness import control, edit, floor
from harness.principals import ApiKey
from harness.probes.logs import LogRecord
from harness.site import Site
from suites.middleware.rigged import ACCESS_LOG_BESIDE

REQUESTS = "middleware.logging.requests"
CONTEXT, LOGS = "panotti/middleware/context.py", "panotti/logs.py"
CLOCKS_APART_S = 60.0  # the server may run on another machine; a wrong zone is a quarter of an hour off

TWICE_IN_THE_CHAIN = edit(
    "the logging layer stands twice in the chain",
    "panotti/app.py",
    "        partial(ContextMiddleware, slow_request_ms=settings.slow_request_ms),\n",
    "        partial(ContextMiddleware, slow_request_ms=settings.slow_request_ms),\n" * 2,
)


@control(
    REQUESTS,
    broken_by=(
        TWICE_IN_THE_CHAIN,
        edit(
            "health checks leave no line",
            CONTEXT,
            "            log_request(\n",
            '            scope["path"].startswith("/health") or log_request(\n',
        ),
    ),
)
def test_each_request_leaves_one_line(site: Site) -> None:
    """Every request, whatever became of it, leaves exactly one structured line in the log."""
    site.contract.capability("logs")
    mark, answered = site.logs.mark(), _several(site)

    lines = site.logs.requests(answered, since=mark)

    counts = {answered[request_id]: len(found) for request_id, found in lines.items()}
    assert set(counts.values()) == {1}, f"lines by request: {counts}"


@control(
    REQUESTS,
    broken_by=(
        edit("the principal is left out", CONTEXT, "        principal=principal,\n", ""),
        edit(
            "a time without its zone",
            LOGS,
            '    return f"{_output.second_text}.{microseconds:06d}Z"',
            '    return f"{_output.second_text}.{microseconds:06d}"',
        ),
    ),
)
def test_the_line_has_every_field(site: Site) -> None:
    """A request's line has each field of the policy, and a time in RFC 3339, in UTC, that is now."""
    site.contract.capability("logs")
    mark, key = site.logs.mark(), site.key()
    line = _line_of(site, mark, site.contract.path("recordings.list"), key)

    missing = [name for name in site.policy.logging.fields if line.get(name) is None]
    assert not missing, f"the line lacks {missing}"
    said = str(line.get("ts"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", said), f"no time in UTC: {said}"
    away = abs(datetime.now(UTC).timestamp() - datetime.fromisoformat(said).timestamp())
    assert away < CLOCKS_APART_S, f"the line's time is {away:.0f} s away from the client's"


@control(
    REQUESTS,
    broken_by=(
        edit("the path stands for the route", CONTEXT, 'route=state["route"],\n', 'route=scope["path"],\n'),
        edit(
            "every caller is the first administrator",
            CONTEXT,
            "principal=None if principal is None else principal.id",
            'principal=None if principal is None else "bootstrap"',
        ),
    ),
)
def test_the_line_is_true(site: Site) -> None:
    """Method, route template, status, principal and client's address are those of the request."""
    site.contract.capability("logs")
    key = site.key()
    recording, template = site.recording(key), site.contract.path("recordings.read")
    mark = site.logs.mark()
    line = _line_of(site, mark, template.format(recording_id=recording), key)

    said = {name: line.get(name) for name in ("method", "route", "status", "principal", "client")}
    assert said == {
        "method": "GET",
        "route": template,
        "status": 200,
        "principal": key.principal,
        "client": site.deployment.address("direct"),
    }, f"the line says {said}; the principal was {key.principal}"


@control(
    REQUESTS,
    broken_by=(
        ACCESS_LOG_BESIDE,
        edit(
            "a forgotten print",
            "panotti/routes/health.py",
            '    return encoded(OK)\n\n\n@router.get("/health/live"',
            "    print('healthy', flush=True)\n    return encoded(OK)\n\n\n@router.get(\"/health/live\"",
        ),
    ),
)
def test_every_line_is_structured(site: Site) -> None:
    """Whatever the server prints from its start on is one JSON object a line."""
    site.contract.capability("logs")
    answered = _several(site)
    floor(all(site.logs.requests(answered).values()), "the requests have not reached the log")

    stray = site.logs.stray()

    assert not stray, f"{len(stray)} lines are not JSON"


def _several(site: Site) -> dict[str, str]:
    """What was answered, by request id."""
    key, unknown = site.key(), f"/nothing-{secrets.token_hex(4)}"
    started, health = site.contract.path("recordings.started"), site.contract.path("health.simple")
    answered: dict[str, str] = {}
    kinds: set[int] = set()
    for method, path, with_key in (
        ("GET", health, None),
        ("POST", started, None),
        ("POST", started, key),
        ("GET", unknown, key),
        ("DELETE", started, key),
    ):
        request_id = f"several-{secrets.token_hex(8)}"
        reply = site.http.request(method, path, key=with_key, headers={"X-Request-ID": request_id})
        floor(reply, f"{method} {path} was not answered: {reply.error}")
        answered[request_id] = f"{method} {path} {reply.status}"
        kinds.add(reply.status // 100)
    floor({2, 4} <= kinds, f"requests were to be granted and refused; answered: {[*answered.values()]}")
    return answered


def _line_of(site: Site, mark: int, path: str, key: ApiKey) -> LogRecord:
    """The line of one GET that is granted."""
    request_id = f"line-of-{secrets.token_hex(8)}"
    reply = site.http.get(path, key=key, headers={"X-Request-ID": request_id})
    floor(reply.ok, f"GET {path} was answered {reply.status or reply.error}")
    lines = site.logs.requests([request_id], since=mark)[request_id]
    assert lines, "the request has left no line"
    return lines[0]
