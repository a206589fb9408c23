"""A refusal says what was wrong, repeats nothing of it, and has no effect."""

from __future__ import annotations

from harness import control, defect, edit, floor
from harness.probes import hostile
from harness.probes.hostile import Offered
from harness.site import Site

VALIDATION = "middleware.security.validation"
STRICTNESS, SCHEMAS, FAILURES = "panotti/strictness.py", "panotti/schemas.py", "panotti/failures.py"
FRAMEWORK_ANSWERS = edit(
    "the framework's own answer to invalid input",
    FAILURES,
    "    RequestValidationError: on_validation_error,\n",
    "",
)
INPUT_ECHOED = edit(
    "422 repeats the input", FAILURES, '"msg": found["msg"]}', '"msg": found["msg"], "input": found["input"]}'
)


@control(
    VALIDATION,
    broken_by=(
        FRAMEWORK_ANSWERS,
        edit(
            "refusals are plain JSON",
            "panotti/problems.py",
            'MEDIA_TYPE = b"application/problem+json"',
            'MEDIA_TYPE = b"application/json"',
        ),
        edit(
            "the problem document has no request id",
            FAILURES,
            'request.scope["state"].get("request_id", "-")',
            '"-"',
        ),
    ),
)
def test_refusals_are_problem_documents(site: Site) -> None:
    """Every refusal is a problem document (RFC 9457) with its status and the id of its request."""
    for one in _refused(site):
        reply, id_ = one.reply, one.reply.headers.get("x-request-id")
        found = (reply.media_type, reply.field("status"), reply.field("request_id"))

        assert found == ("application/problem+json", reply.status, id_), (
            f"{one}: media type, status and request id are {found}; X-Request-ID is {id_!r}"
        )
        assert reply.string("title"), f"{one}: the problem has no title"


@control(
    VALIDATION,
    broken_by=(
        INPUT_ECHOED,
        FRAMEWORK_ANSWERS,
        edit(
            "the parser's message repeats the text",
            STRICTNESS,
            "{error.msg} at position {error.pos}",
            "{error.msg} at position {error.pos} of {error.doc[:60]}",
        ),
    ),
)
def test_rejected_bodies_are_not_echoed(site: Site) -> None:
    """No word of a refused body stands in its answer, headers included (CWE-209)."""
    echoed = [
        str(one)
        for one in _refused(site)
        if one.body.mark in f"{one.reply.text}{one.reply.headers.items()}".lower()
    ]

    assert not echoed, f"the answer repeats the body: {echoed}"


@control(
    VALIDATION,
    broken_by=defect(
        "a path is looked at after the recording is stored",
        edit(
            "",
            SCHEMAS,
            "    system_audio_path: AudioPath | None = None\n",
            "    system_audio_path: Annotated[str, Field(max_length=1024)] | None = None\n",
        ),
        edit(
            "",
            "panotti/routes/recordings.py",
            """    return await _record(
        request, event, idempotency_key, {"status": "success", "recording_id": event.recording_id}
    )
""",
            """    stored = await _record(
        request, event, idempotency_key, {"status": "success", "recording_id": event.recording_id}
    )
    if ".." in (body.system_audio_path or ""):
        raise Problem(422, "Unprocessable Content")
    return stored
""",
        ),
    ),
)
def test_rejected_bodies_leave_nothing_behind(site: Site) -> None:
    """What was refused is not stored: reading the recording back gives 404."""
    key, read = site.key(), site.contract.path("recordings.read")
    kept = site.recording(key)
    floor(
        site.http.get(read.format(recording_id=kept), key=key).ok, "a recording that was taken cannot be read"
    )
    named = [one.body for one in _refused(site) if one.body.recording_id]

    found = {body.title: site.http.get(read.format(recording_id=body.mark), key=key).status for body in named}

    stored = [title for title, status in found.items() if 200 <= status < 300]
    assert not stored, f"refused, but stored: {stored}"
    floor(set(found.values()) == {404}, f"reading back was answered with {set(found.values())}, not 404")


def _refused(site: Site) -> list[Offered]:
    """The hostile bodies that were refused, of every kind that was."""
    path = site.contract.path("recordings.started")
    kinds = [hostile.wrongly_typed(), *map(hostile.bodies, hostile.GROUPS)]
    offered = [hostile.offer(site.http, path, site.key(), bodies, good=hostile.good()) for bodies in kinds]
    refused = [one for kind in offered for one in kind if one.refused]
    floor(len(refused) >= len(kinds), f"of all hostile bodies only {len(refused)} were refused")
    return refused
