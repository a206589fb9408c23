"""A caller chooses the id of its request within bounds, and writes nothing else into the log."""

from __future__ import annotations

import re
import secrets
from urllib.parse import quote

from harness import control, defect, edit, floor
from harness.probes.reply import Reply
from harness.site import Site
from suites.middleware.rigged import ACCESS_LOG_BESIDE

REQUESTS = "middleware.logging.requests"
CONTEXT, LOGS = "panotti/middleware/context.py", "panotti/logs.py"

LINE_BY_HAND = defect(
    "the line is put together by hand, with the path",
    edit("", CONTEXT, 'route=state["route"]', 'route=state["route"] or scope["path"]'),
    edit(
        "",
        LOGS,
        '        _write(_line({"ts": _now(), "level": name, "event": "request", **fields}))',
        """        all_fields = {"ts": _now(), "level": name, "event": "request", **fields}
        text = ",".join(f'"{k}":"{v}"' for k, v in all_fields.items())
        _write(b"{" + text.encode() + b"}\\n")""",
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

    replies = [site.http.get(path, headers={"X-Request-ID": one}) for one in given]
    floor(all(reply.ok for reply in replies), "the requests were not granted")

    returned = [reply.headers.get("x-request-id") for reply in replies]
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
    mark, path = site.logs.mark(), site.contract.path("health.simple")
    pattern, callers = site.policy.logging.request_id, secrets.token_hex(8)
    given = [one for one in _malformed_ids(callers.encode()) if not re.fullmatch(pattern.encode(), one)]
    floor(given, f"every id at hand is well formed by the policy: {pattern}")
    floor(site.http.get(path).ok, "a request without an id is not granted either")

    replies = [site.http.get(path, headers={"X-Request-ID": one}) for one in given]

    refused = [one for one, reply in zip(given, replies, strict=True) if not reply.ok]
    assert not refused, f"refused, or failed, for their id: {refused}"
    returned = [reply.headers.get("x-request-id") for reply in replies]
    pairs = zip(given, returned, strict=True)
    kept = [one for one, new in pairs if callers in new or not re.fullmatch(pattern, new)]
    assert not kept, f"not replaced by a well-formed id of the server's: {kept}"
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


def _malformed_ids(mark: bytes) -> list[bytes]:
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
