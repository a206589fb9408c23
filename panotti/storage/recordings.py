"""Statements on recordings and their events. Each names the tenant: another tenant's rows do not exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, case, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from panotti.storage.models import recording_events, recordings

STARTED = "recording.started"
ENDED = "recording.ended"

RECORDING_COLUMNS = [
    recordings.c[name]
    for name in ("recording_id", "state", "started_at", "ended_at", "created_at", "updated_at")
]
EVENT_COLUMNS = [
    recording_events.c[name]
    for name in (
        "event_id",
        "recording_id",
        "event",
        "occurred_at",
        "received_at",
        "principal",
        "system_audio_path",
        "microphone_audio_path",
        "metadata",
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a recording. Times are RFC 3339 UTC; `metadata` is JSON text."""

    tenant: str
    principal: str
    recording_id: str
    event_id: str
    event: str
    occurred_at: str
    received_at: str
    system_audio_path: str | None = None
    microphone_audio_path: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows in order and the cursor of the next page (None: this was the last)."""

    rows: Sequence[RowMapping]
    next_cursor: int | None


async def add(connection: AsyncConnection, event: Event) -> None:
    """Appends the event and moves its recording: a start opens it, an end completes it unless it failed."""
    await connection.execute(_MOVES[connection.dialect.name, event.event], _recording(event))
    await append(connection, event)


async def append(connection: AsyncConnection, event: Event) -> None:
    """Appends the event alone."""
    await connection.execute(_APPEND, {name: getattr(event, name) for name in Event.__slots__})


async def fail(connection: AsyncConnection, tenant: str, recording_id: str, at: str) -> bool:
    """Moves an active recording to failed; False if it was not active."""
    result = await connection.execute(
        update(recordings)
        .where(
            recordings.c.tenant == tenant,
            recordings.c.recording_id == recording_id,
            recordings.c.state == "active",
        )
        .values(state="failed", updated_at=at)
    )
    return result.rowcount == 1


async def find(connection: AsyncConnection, tenant: str, recording_id: str) -> RowMapping | None:
    result = await connection.execute(
        select(*RECORDING_COLUMNS).where(
            recordings.c.tenant == tenant, recordings.c.recording_id == recording_id
        )
    )
    return result.mappings().one_or_none()


async def page(connection: AsyncConnection, tenant: str, *, limit: int, before: int | None) -> Page:
    """The tenant's recordings, newest first."""
    query = select(recordings.c.id, *RECORDING_COLUMNS).where(recordings.c.tenant == tenant)
    if before is not None:
        query = query.where(recordings.c.id < before)
    return await _page(connection, query.order_by(recordings.c.id.desc()), limit)


async def events(
    connection: AsyncConnection, tenant: str, recording_id: str, *, limit: int, after: int
) -> Page:
    """One recording's events, oldest first."""
    query = select(recording_events.c.id, *EVENT_COLUMNS).where(
        recording_events.c.tenant == tenant,
        recording_events.c.recording_id == recording_id,
        recording_events.c.id > after,
    )
    return await _page(connection, query.order_by(recording_events.c.id), limit)


async def _page(connection: AsyncConnection, query: Select[Any], limit: int) -> Page:
    result = await connection.execute(query.limit(limit + 1))
    rows = result.mappings().all()
    more = len(rows) > limit
    return Page(rows=rows[:limit], next_cursor=rows[limit - 1]["id"] if more else None)


def _recording(event: Event) -> dict[str, str]:
    return {
        "tenant": event.tenant,
        "recording_id": event.recording_id,
        "created_at": event.received_at,
        "updated_at": event.received_at,
        "started_at" if event.event == STARTED else "ended_at": event.occurred_at,
    }


# Built once: SQLAlchemy then finds its compiled form without walking the expression.
_APPEND = insert(recording_events)


def _started(start: Any) -> Any:
    return start.on_conflict_do_update(
        index_elements=["tenant", "recording_id"],
        set_={
            "updated_at": start.excluded.updated_at,
            "started_at": func.coalesce(recordings.c.started_at, start.excluded.started_at),
        },
    )


def _ended(end: Any) -> Any:
    return end.on_conflict_do_update(
        index_elements=["tenant", "recording_id"],
        set_={
            "updated_at": end.excluded.updated_at,
            "ended_at": end.excluded.ended_at,
            "state": case((recordings.c.state == "active", "completed"), else_=recordings.c.state),
        },
    )


_DIALECTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_MOVES = {
    (name, event): upsert(insert(recordings).values(state=state))
    for name, insert in _DIALECTS.items()
    for event, state, upsert in ((STARTED, "active", _started), (ENDED, "completed", _ended))
}
