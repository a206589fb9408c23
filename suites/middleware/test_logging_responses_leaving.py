"""Whoever goes away before the answer leaves a line in the log all the same."""

from __future__ import annotations

import secrets

from harness import control, edit, floor, prompt
from harness.site import Site

RESPONSES, CONTEXT = "middleware.logging.responses", "panotti/middleware/context.py"

UNDER_WAY_S = 0.1  # so that a request has begun when its client leaves
# How long a client stays, so that it was read at all: one that is gone before has sent none.
STAYS_S = (0.02, 0.01, 0.005)

INCOMPLETE_UNLOGGED = edit(
    "only whole answers are logged",
    CONTEXT,
    "            log_request(\n",
    "            answer.complete and log_request(\n",
)
GONE_UNLOGGED = edit(
    "who has gone is not logged",
    CONTEXT,
    "            log_request(\n",
    "            answer.final_status() == CUT_OFF or log_request(\n",
)


@control(
    RESPONSES,
    broken_by=(
        INCOMPLETE_UNLOGGED,
        GONE_UNLOGGED,
        edit(
            "whoever leaves is logged as served",
            CONTEXT,
            "            return CUT_OFF\n",
            "            return 200\n",
        ),
    ),
)
def test_a_client_that_leaves_is_logged(site: Site) -> None:
    """A client that goes away in the middle of its body leaves a line, and not one of a success."""
    site.contract.capability("logs")
    mark = site.logs.mark()
    request_id = f"leaves-{secrets.token_hex(8)}"
    message = site.raw.message(
        "POST",
        site.contract.path("recordings.started"),
        key=site.key(),
        content=b'{"recordingId":"' + b"x" * 1000,
        headers={"Content-Type": "application/json", "X-Request-ID": request_id},
    )
    with site.raw.open() as wire:
        floor(wire.send(message[:-900]) == len(message) - 900, "the request was not begun")
        floor(not wire.wait_answer(UNDER_WAY_S), "the server answered before the body was whole")

    lines = site.logs.requests([request_id], since=mark)[request_id]

    prompt(len(lines) == 1, f"the request has left {len(lines)} lines")
    assert lines[0].get("status") not in range(100, 400), f"it is logged as {lines[0].get('status')}"


@control(RESPONSES, broken_by=GONE_UNLOGGED)
def test_a_client_that_does_not_wait_is_logged(site: Site) -> None:
    """A client that goes away before its answer leaves a line too."""
    site.contract.capability("logs")
    mark = site.logs.mark()
    for stays_s in STAYS_S:
        request_id = f"impatient-{secrets.token_hex(8)}"
        message = site.raw.message(
            "POST",
            site.contract.path("sessions.login"),  # a password is hashed slowly, on purpose
            json={"username": f"nobody-{secrets.token_hex(4)}", "password": secrets.token_hex(16)},
            headers={"X-Request-ID": request_id},
        )
        with site.raw.open() as wire:
            floor(wire.send(message) == len(message), "the request was not sent")
            answered = wire.wait_answer(stays_s)
        if not answered:
            break
    floor(not answered, f"every answer came within {1000 * stays_s:g} ms")

    lines = site.logs.requests([request_id], since=mark)[request_id]

    prompt(len(lines) == 1, f"the request has left {len(lines)} lines")
