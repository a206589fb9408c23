"""The public contract's two events, and reading back what they made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Path, Query, Request, Response
from sqlalchemy import RowMapping

from panotti import clock
from panotti.identity.principal import Principal
from panotti.problems import Problem
from panotti.routes.answers import answer, encoded
from panotti.rules import READER, WRITER, rule
from panotti.schemas import (
    PLAIN,
    EndedAnswer,
    EventPage,
    Paging,
    Recording,
    RecordingEnded,
    RecordingPage,
    RecordingStarted,
    StartedAnswer,
    StateChange,
)
from panotti.services import use
from panotti.storage import idempotency, recordings
from panotti.storage.recordings import ENDED, STARTED, Event
from panotti.strictness import StrictRoute

router = APIRouter(route_class=StrictRoute, prefix="/api")
IdempotencyKey = Annotated[str | None, Header(max_length=255, pattern=r"^[\x21-\x7e]+$")]
Id = Annotated[str, Path(max_length=128, pattern=PLAIN)]
PagingQuery = Annotated[Paging, Query()]


@router.post("/recording-started", response_model=StartedAnswer)
@rule(WRITER)
async def recording_started(
    request: Request, body: RecordingStarted, idempotency_key: IdempotencyKey = None
) -> Response:
    """A recording has started; durable once answered."""
    event = _event(
        request,
        body.recordingId,
        STARTED,
        body.moment(),
        paths=(body.system_audio_path, body.microphone_audio_path),
        metadata=body.metadata,
    )
    return await _record(
        request, event, idempotency_key, {"status": "success", "recording_id": event.recording_id}
    )


@router.post("/recording-ended", response_model=EndedAnswer)
@rule(WRITER)
async def recording_ended(
    request: Request, body: RecordingEnded, idempotency_key: IdempotencyKey = None
) -> Response:
    """A recording has ended and its files are complete; durable once answered."""
    event = _event(
        request,
        body.recordingId,
        ENDED,
        body.moment(),
        paths=(body.systemAudioPath, body.microphoneAudioPath),
        metadata=body.metadata,
    )
    return await _record(request, event, idempotency_key, {"status": "success", "event_id": event.event_id})


@router.put("/recordings/{recording_id}/state", response_model=Recording)
@rule(WRITER)
async def change_state(request: Request, recording_id: Id, body: StateChange) -> Response:
    """An active recording has failed. Saying so twice is no error; a completed one cannot fail."""
    services, caller = use(request)
    event = _event(request, recording_id, f"recording.{body.state}", clock.now())
    async with services.database.writing() as connection:
        # First: it keeps others from moving the recording until this has ended.
        failed = await recordings.fail(connection, caller.tenant, recording_id, event.received_at)
        found = await recordings.find(connection, caller.tenant, recording_id)
        if found is None:
            raise _unknown()
        if found["state"] == "completed":
            raise Problem(409, "Conflict", "The recording is completed.")
        if failed:
            await recordings.append(connection, event)
    return answer(dict(found))


@router.get("/recordings", response_model=RecordingPage)
@rule(READER)
async def list_recordings(request: Request, paging: PagingQuery) -> Response:
    """The tenant's recordings, newest first."""
    services, caller = use(request)
    before = None if paging.cursor is None else int(paging.cursor)
    async with services.database.reading() as connection:
        page = await recordings.page(connection, caller.tenant, limit=paging.limit, before=before)
    return answer({"recordings": [_public(row) for row in page.rows], "next_cursor": _cursor(page)})


@router.get("/recordings/{recording_id}", response_model=Recording)
@rule(READER)
async def read_recording(request: Request, recording_id: Id) -> Response:
    """One recording of the tenant."""
    services, caller = use(request)
    async with services.database.reading() as connection:
        found = await recordings.find(connection, caller.tenant, recording_id)
    if found is None:
        raise _unknown()
    return answer(dict(found))


@router.get("/recordings/{recording_id}/events", response_model=EventPage)
@rule(READER)
async def list_events(request: Request, recording_id: Id, paging: PagingQuery) -> Response:
    """One recording's events, oldest first."""
    services, caller = use(request)
    async with services.database.reading() as connection:
        if await recordings.find(connection, caller.tenant, recording_id) is None:
            raise _unknown()
        page = await recordings.events(
            connection, caller.tenant, recording_id, limit=paging.limit, after=int(paging.cursor or 0)
        )
    events = [
        {**_public(row), "metadata": None if row["metadata"] is None else orjson.loads(row["metadata"])}
        for row in page.rows
    ]
    return answer({"events": events, "next_cursor": _cursor(page)})


def _event(
    request: Request,
    recording_id: str,
    name: str,
    moment: datetime,
    *,
    paths: tuple[str | None, str | None] = (None, None),
    metadata: dict[str, Any] | None = None,
) -> Event:
    caller: Principal = request.scope["state"]["principal"]
    return Event(
        tenant=caller.tenant,
        principal=caller.id,
        recording_id=recording_id,
        event_id=f"{recording_id}_{name.removeprefix('recording.')}_{clock.form(moment)}",
        event=name,
        occurred_at=clock.form(moment),
        received_at=clock.form(clock.now()),
        system_audio_path=paths[0],
        microphone_audio_path=paths[1],
        metadata=None if metadata is None else orjson.dumps(metadata).decode(),
    )


async def _record(request: Request, event: Event, key: str | None, document: dict[str, str]) -> Response:
    services, caller = use(request)
    mark = idempotency.fingerprint(request.method, request.url.path, await request.body())

    async with services.database.writing() as connection:

        async def effect() -> bytes:
            await recordings.add(connection, event)
            return orjson.dumps(document)

        return encoded(await idempotency.once(connection, caller, key, mark, effect))


def _public(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _cursor(page: recordings.Page) -> str | None:
    return None if page.next_cursor is None else str(page.next_cursor)


def _unknown() -> Problem:
    return Problem(404, "Not Found", "There is no such recording.")
