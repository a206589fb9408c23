"""One structured line a request, true, and under an id that the caller cannot abuse."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from urllib.parse import quote

from harness import control, defect, edit, floor
from harness.principals import ApiKey
from harness.probes.logs import LogRecord
from harness.probes.reply import Reply
from harness.site import Site

REQUESTS = "middleware.logging.requests"
CONTEXT, LOGS = "panotti/middleware/context.py", "panotti/logs.py"
CLOCKS_APART_S = 60.0  # the server may run on another machine; a wrong zone is a quarter of an hour off

TWICE_IN_THE_CHAIN = edit(
    "the logging layer stands twice in the chain",
    "panotti/app.py",
    "        partial(ContextMiddleware, slow_request_ms=settings.slow_request_ms),\n",
    "        partial(ContextMiddleware, slow_request_ms=settings.slow_request_ms),\n" * 2,
)
ACCESS_LOG_BESIDE = edit(
    "a plain access line beside the structured one",
    CONTEXT,
    '            state = scope["state"]\n            principal',
    '            state = scope["state"]\n'
    '            os.write(1, f\'{state["client"]} {scope["method"]} {scope["path"]}\\n\'.encode())\n'
    "            principal",
)
LINE_BY_HAND = defect(
    "the line is put together by hand, with the path",
    edit("", CONTEXT, 'route=state["route"]', 'route=state["route"] or scope["path"]'),
    edit(
        "",
        LOGS,
        '        _LineLogger().msg(_line({"ts": _now(), "level": name, "event": "request", **fields}))',
        """        all_fields = {"ts": _now(), "level": name, "event": "request", **fields}
        text = ",".join(f'"{k}":"{v}"' for k, v in all_fields.items())
        _LineLogger().msg(b"{" + text.encode() + b"}\\n")""",
    ),
)
ID_NOT_CHECKED = edit(
    "a caller's id is kept whatever it holds",
    CONTEXT,
    'if len(given) == 1 and WELL_FORMED_ID.fullmatch(given[0]):\n        return given[0].decode("ascii")',
    'if given:\n        return given[0].decode("ascii", "ignore")',
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
            'return datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"',
            'return datetime.now().isoformat(timespec="microseconds")',
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


@control(
    REQUESTS,
    broken_by=(
        edit(
            "every request gets an id of the server's",
            CONTEXT,
            "if len(given) == 1 and WELL_FORMED_ID.fullmatch(given[0]):",
            "if len(given) > 1:",
        ),
        edit(
            "ids are cut at 32 characters",
            CONTEXT,
            'given[0].decode("ascii")',
            'given[0][:32].decode("ascii")',
        ),
    ),
)
def test_a_well_formed_id_is_kept(site: Site) -> None:
    """A request id that the policy's pattern allows comes back, and stands in the line."""
    site.contract.capability("logs")
    mark, path = site.logs.mark(), site.contract.path("health.simple")
    hexadecimal = secrets.token_hex(32)
    candidates = [hexadecimal[:8], hexadecimal, f"{hexadecimal[:8]}.{hexadecimal[8:12]}_Check-1"]
    given = [one for one in candidates if re.fullmatch(site.policy.logging.request_id, one)]
    floor(given, f"no id at hand is well formed by the policy: {site.policy.logging.request_id}")

    returned = [
        site.http.get(path, headers={"X-Request-ID": one}).headers.get("x-request-id") for one in given
    ]

    assert returned == given, f"ids sent: {given}; returned: {returned}"
    logged = [one for one, lines in site.logs.requests(given, since=mark).items() if len(lines) == 1]
    assert logged == given, f"ids sent: {given}; logged: {logged}"


@control(
    REQUESTS,
    broken_by=(
        ID_NOT_CHECKED,
        edit(
            "an id is checked at its beginning only",
            CONTEXT,
            "WELL_FORMED_ID.fullmatch(",
            "WELL_FORMED_ID.match(",
        ),
        edit("ids may be short", CONTEXT, "[A-Za-z0-9._-]{8,64}", "[A-Za-z0-9._-]{1,64}"),
    ),
)
def test_a_malformed_id_is_replaced(site: Site) -> None:
    """A request id that the policy's pattern does not allow is replaced by a well-formed one."""
    site.contract.capability("logs")
    mark, path, pattern = (
        site.logs.mark(),
        site.contract.path("health.simple"),
        site.policy.logging.request_id,
    )
    given = [one for one in _malformed_ids() if not re.fullmatch(pattern.encode(), one)]
    floor(given, f"every id at hand is well formed by the policy: {pattern}")

    replies = [site.http.get(path, headers={"X-Request-ID": one}) for one in given]

    returned = [reply.headers.get("x-request-id") for reply in replies]
    kept = [one for one, new in zip(given, returned, strict=True) if not re.fullmatch(pattern, new)]
    assert not kept, f"not replaced by a well-formed id: {kept}"
    assert len(set(returned)) == len(given), f"{len(given)} requests got {len(set(returned))} ids"
    lines = site.logs.requests(returned, since=mark)
    assert all(lines.values()), "the log does not name the requests by the ids that were returned"


@control(REQUESTS, broken_by=(LINE_BY_HAND, ACCESS_LOG_BESIDE))
def test_a_caller_cannot_forge_a_line(site: Site) -> None:
    """A line feed in path, query, header or id does not begin a line of the caller's in the log (CWE-117)."""
    site.contract.capability("logs")
    mark, forged = site.logs.mark(), f"forged-{secrets.token_hex(8)}"
    last = f"last-{secrets.token_hex(8)}"
    replies = _inject(site, forged)
    replies.append(site.http.get(site.contract.path("health.simple"), headers={"X-Request-ID": last}))
    floor(replies[-1].ok and any(replies[:-1]), "the requests were not answered")
    floor(site.logs.requests([last], since=mark)[last], "the log does not show what came after")

    lines = site.logs.text(since=mark).split("\n")

    begun = [line for line in lines if line.lstrip().startswith((forged, f'{{"event":"{forged}"'))]
    assert not begun, f"{len(begun)} lines of the log begin with a text of the caller's"
    assert not site.logs.records(since=mark, event=forged), "the caller has written a record"
    assert not site.logs.records(since=mark, forged=forged), "the caller has added a field"


def _several(site: Site) -> dict[str, str]:
    """What was answered, by request id."""
    key, unknown = site.key(), f"/nothing-{secrets.token_hex(4)}"
    started, health = site.contract.path("recordings.started"), site.contract.path("health.simple")
    answered: dict[str, str] = {}
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
    return answered


def _line_of(site: Site, mark: int, path: str, key: ApiKey) -> LogRecord:
    """The line of one GET that is granted."""
    request_id = f"line-of-{secrets.token_hex(8)}"
    reply = site.http.get(path, key=key, headers={"X-Request-ID": request_id})
    floor(reply.ok, f"GET {path} was answered {reply.status or reply.error}")
    lines = site.logs.requests([request_id], since=mark)[request_id]
    assert lines, "the request has left no line"
    return lines[0]


def _malformed_ids() -> list[bytes]:
    mark = secrets.token_hex(8).encode()
    return [
        b"short-1",
        mark * 4 + b"x",
        b"",
        mark + b" with spaces",
        mark + b"\twith\ttabs",
        mark + b'","event":"forged',
        mark + b"%0d%0aforged",
        mark + b"\\nforged",
        mark + b"/../../etc/passwd",
        mark + b"${jndi:ldap://127.0.0.1/a}",
        mark + b"<script>alert(1)</script>",
        mark + "-Πανόπτης".encode(),
        mark + b"\xff\xfe",
        mark + b"," + mark,
    ]


def _inject(site: Site, forged: str) -> list[Reply]:
    """Send a whole line, and the rest of a field, wherever a caller can write."""
    path, key = site.contract.path("health.simple"), site.key()
    line = f'{{"event":"{forged}","forged":"{forged}"}}'
    rest = f'x","forged":"{forged}'
    raw = f"GET {path} HTTP/1.1\r\nHost: {site.deployment.host_name}\r\n"
    return [
        *(
            site.http.get(f"{prefix}{quote(text)}", key=key)
            for prefix in ("/", f"{path}?x=")
            for text in (f"\n{line}\n", f"\r\n{line}\r\n", f"{forged}\n{forged}\n", rest)
        ),
        *(
            site.http.get(path, headers={name: rest})
            for name in ("X-Request-ID", "User-Agent", "Referer", "X-Forwarded-For", "traceparent")
        ),
        *(
            site.raw(f"{raw}{name}: abcdefgh{feed}{line}{feed}x: y\r\n\r\n".encode())
            for name in ("X-Request-ID", "User-Agent")
            for feed in ("\n", "\r\n ", "\r")
        ),
        site.http.post(
            site.contract.path("recordings.started"), key=key, json={"recordingId": f"x\n{line}\n", "x": rest}
        ),
    ]
