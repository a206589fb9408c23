"""Every answer can be found in the log, by the id that it carries."""

from __future__ import annotations

import secrets
from collections import Counter

from harness import control, edit, floor
from harness.probes.http import Options
from harness.probes.reply import Reply
from harness.site import Site

RESPONSES = "middleware.logging.responses"
CONTEXT, PROTOCOL = "panotti/middleware/context.py", "panotti/protocol.py"

JSON = {"Content-Type": "application/json"}
OTHER_HEADERS = {
    "content type": {"Content-Type": "text/plain"},
    "other host": {"Host": "other.panotti.invalid"},
    "preflight": {"Access-Control-Request-Method": "POST"},
}
CLIENT_ERRORS_UNLOGGED = edit(
    "client errors are not logged",
    CONTEXT,
    "            log_request(\n",
    "            400 <= answer.final_status() < 500 or log_request(\n",
)
PARSER_UNLOGGED = edit(
    "what the parser refuses is not logged",
    PROTOCOL,
    "        log_request(\n",
    "        status > 599 and log_request(\n",
)


@control(
    RESPONSES,
    broken_by=(
        edit(
            "the id is returned on success only",
            CONTEXT,
            'message["headers"] = [*message.get("headers", ()), identity]',
            'message["headers"] = [*message.get("headers", ()), *([identity] if self.status < 400 else [])]',
        ),
        edit(
            "the id is not returned",
            CONTEXT,
            'message["headers"] = [*message.get("headers", ()), identity]',
            'message["headers"] = [*message.get("headers", ())]',
        ),
        edit(
            "the parser's refusals have no id",
            PROTOCOL,
            '(b"x-request-id", request_id.encode("ascii")), (b"conn',
            '(b"conn',
        ),
    ),
)
def test_every_answer_carries_its_id(site: Site) -> None:
    """Each answer, refusals included, has exactly one X-Request-ID: the caller's, where one was given."""
    for expected, (given, reply) in _every_kind(site).items():
        returned = reply.headers.get_list("x-request-id")

        assert len(returned) == 1, f"{expected}: the answer has {len(returned)} X-Request-ID"
        assert not given or returned == [given], f"{expected}: sent {given}, returned {returned[0]}"


@control(
    RESPONSES,
    broken_by=(
        CLIENT_ERRORS_UNLOGGED,
        PARSER_UNLOGGED,
        edit(
            "the line has the status of a success",
            CONTEXT,
            "return self.status if self.complete else 500",
            "return 200 if self.complete else 500",
        ),
    ),
)
def test_every_status_is_logged(site: Site) -> None:
    """Each answer, refusals included, has one line with its id and the status that the client saw."""
    site.contract.capability("logs")
    mark = site.logs.mark()
    sent = {
        reply.headers.get("x-request-id"): (kind, reply) for kind, (_, reply) in _every_kind(site).items()
    }

    lines = site.logs.requests(sent, since=mark)

    for request_id, (kind, reply) in sent.items():
        logged = [line.get("status") for line in lines[request_id]]
        assert logged == [reply.status], f"{kind}: the client saw {reply.status}, the log says {logged}"


@control(
    RESPONSES,
    broken_by=(
        edit(
            "the size is the request's",
            CONTEXT,
            "                size=answer.size,\n",
            '                size=int((values(scope, b"content-length") or [b"0"])[0]),\n',
        ),
        edit(
            "the size is that of the last piece",
            CONTEXT,
            'self.size += len(message.get("body", b""))',
            'self.size = message.get("more_body", False) * len(message.get("body", b""))',
        ),
    ),
)
def test_every_size_is_logged(site: Site) -> None:
    """The line says how many bytes the body of the answer had."""
    site.contract.capability("logs")
    mark = site.logs.mark()
    sent = {
        reply.headers.get("x-request-id"): (kind, reply) for kind, (_, reply) in _every_kind(site).items()
    }
    floor(len({len(reply.body) for _, reply in sent.values()}) > 2, "the answers are all of one size")

    lines = site.logs.requests(sent, since=mark)

    for request_id, (kind, reply) in sent.items():
        logged = [line.get("bytes") for line in lines[request_id]]
        assert logged == [len(reply.body)], (
            f"{kind}: the client got {len(reply.body)} bytes, the log says {logged}"
        )


@control(
    RESPONSES,
    broken_by=(
        CLIENT_ERRORS_UNLOGGED,
        edit(
            "refusals by quota stand outside of the logging",
            CONTEXT,
            "            log_request(\n",
            "            answer.status == 429 or log_request(\n",
        ),
    ),
)
def test_a_burst_is_logged_whole(site: Site) -> None:
    """Of a burst that runs into its quota every answer is logged: the log counts what the client counted."""
    site.contract.capability("logs")
    mark = site.logs.mark()
    key, prefix, most = site.key(), f"burst-{secrets.token_hex(6)}", site.policy.rate.key.quota + 5
    burst = site.burst(
        most,
        site.contract.path("recordings.list"),
        key=key,
        each=lambda i: {"headers": {"X-Request-ID": f"{prefix}-{i}"}},
    )
    floor(burst.statuses[200] and burst.statuses[429], f"the quota was not reached: {dict(burst.statuses)}")

    lines = site.logs.requests([f"{prefix}-{hit.number}" for hit in burst.hits], since=mark)

    logged = Counter(line.get("status") for each in lines.values() for line in each)
    assert logged == burst.statuses, f"the client counted {dict(burst.statuses)}, the log says {dict(logged)}"


@control(
    RESPONSES,
    profiles=("staging", "production"),
    prove_in="production",
    broken_by=edit(
        "the redirecting listener does not log",
        "panotti/redirect.py",
        "    return ContextMiddleware(app, slow_request_ms=slow_request_ms)\n",
        """    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["request_id"] = "-"
        await app(scope, receive, send)

    return silent
""",
    ),
)
def test_redirects_are_logged(site: Site) -> None:
    """What the plain listener answers carries an id and is logged as everything else."""
    site.contract.capability("logs")
    mark = site.logs.mark()
    request_id = f"redirect-{secrets.token_hex(8)}"
    reply = site.http.get(
        site.contract.path("health.simple"), base="plain", headers={"X-Request-ID": request_id}
    )
    floor(300 <= reply.status < 400, f"the plain listener answered {reply.status or reply.error}")

    assert reply.headers.get_list("x-request-id") == [request_id], "the redirect does not carry its id"
    logged = [line.get("status") for line in site.logs.requests([request_id], since=mark)[request_id]]
    assert logged == [reply.status], f"the client saw {reply.status}, the log says {logged}"


def _every_kind(site: Site) -> dict[str, tuple[str, Reply]]:
    """One answer of each kind: the id that was sent ("" where none could be), and the answer."""
    kinds: dict[str, tuple[str, Reply]] = {}
    for kind, (statuses, method, path, options) in _requests(site).items():
        given = f"{kind.replace(' ', '-')}-{secrets.token_hex(8)}"
        options["headers"] = {**JSON, "X-Request-ID": given, **OTHER_HEADERS.get(kind, {})}
        reply = site.http.request(method, path, **options)
        floor(reply.status in statuses, f"{kind}: answered {reply.status or reply.error}, not {statuses}")
        kinds[kind] = given, reply
    broken = site.raw(b"GET / HTTP/1.1\r\nNo colon in this line\r\n\r\n")
    floor(broken.status == 400, f"a broken message was answered {broken.status or broken.error}, not 400")
    return {**kinds, "broken message": ("", broken)}


def _requests(site: Site) -> dict[str, tuple[set[int], str, str, Options]]:
    """The statuses that each kind may have, and the request for it."""
    writer, reader, contract = site.key(), site.key("reader"), site.contract
    listing, started = contract.path("recordings.list"), contract.path("recordings.started")
    good = f'{{"recordingId":"rec-{secrets.token_hex(8)}"}}'
    large = b'{"recordingId":"' + b"x" * site.policy.server.max_body_bytes
    return {
        "health": ({200}, "GET", contract.path("health.simple"), {}),
        "success": ({200}, "POST", started, {"key": writer, "content": good}),
        "list": ({200}, "GET", listing, {"key": reader}),
        "preflight": ({200, 204}, "OPTIONS", started, {"origin": site.policy.cors.origins[0]}),
        "no key": ({401, 403}, "GET", listing, {}),
        "wrong role": ({403}, "POST", started, {"key": reader, "content": good}),
        "unknown path": ({404}, "GET", f"/nothing-{secrets.token_hex(4)}", {"key": writer}),
        "other method": ({405}, "DELETE", started, {"key": writer}),
        "too large": ({413}, "POST", started, {"key": writer, "content": large}),
        "content type": ({400, 415, 422}, "POST", started, {"key": writer, "content": good}),
        "invalid": ({400, 422}, "POST", started, {"key": writer, "content": "{}"}),
        "other host": ({400, 421}, "GET", listing, {"key": reader}),
    }
