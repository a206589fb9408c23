"""The bodies of requests and answers, as the contract spells them; unknown fields and types are refused."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from panotti import clock

MAXIMUM_METADATA_CHARACTERS = 65_536
MAXIMUM_METADATA_TEXT = 8_192


def _no_parent(value: str) -> str:
    if ".." in value:
        raise ValueError("must not contain '..'")
    return value


def _path(value: str) -> str:
    # A path is only kept and given back here, but whoever reads it may open it, decoded once more.
    plain = unquote(unquote(value))
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in plain):
        raise ValueError("must not contain control characters")
    if "://" in plain:
        raise ValueError("must be a path, not a URL")
    if ".." in plain.replace("\\", "/").split("/"):
        raise ValueError("must not contain the segment '..'")
    return value


def _time(value: str) -> str:
    clock.parse(value)
    return value


def _event(value: object) -> object:
    return value.lower().replace(" ", ".") if isinstance(value, str) else value


def _metadata(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, ensure_ascii=False)) > MAXIMUM_METADATA_CHARACTERS:
        raise ValueError(f"must not be longer than {MAXIMUM_METADATA_CHARACTERS} characters as JSON")
    pending: list[Any] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str) and len(item) > MAXIMUM_METADATA_TEXT:
            raise ValueError(f"must not hold a string of more than {MAXIMUM_METADATA_TEXT} characters")
        if isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item
    return value


RecordingId = Annotated[
    str, Field(max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@+=~-]*$"), AfterValidator(_no_parent)
]
AudioPath = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_path)]
Timestamp = Annotated[str, Field(max_length=40), AfterValidator(_time)]
Metadata = Annotated[dict[str, Any], AfterValidator(_metadata)]
Name = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$")]
RoleName = Literal["reader", "writer", "admin"]
# NIST SP 800-63B: length is what counts; the upper bound keeps hashing cheap to refuse.
NewPassword = Annotated[str, Field(min_length=12, max_length=128)]
# An id in a path may be anything that can be looked up: PostgreSQL takes no NUL in a text.
PLAIN = r"^[^\x00-\x1f\x7f]*$"
OpaqueToken = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]


class Body(BaseModel):
    """A request body: closed and strictly typed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class RecordingStarted(Body):
    recordingId: RecordingId  # noqa: N815  the contract's spelling
    recording_timestamp: Timestamp | None = None
    timestamp: Timestamp | None = None
    event: Annotated[Literal["recording.started"], BeforeValidator(_event)] = "recording.started"
    metadata: Metadata | None = None
    system_audio_path: AudioPath | None = None
    microphone_audio_path: AudioPath | None = None

    def moment(self) -> datetime:
        """When it started: the recording's time, else the message's, else now."""
        return _first_time(self.recording_timestamp, self.timestamp)


class RecordingEnded(Body):
    recordingId: RecordingId  # noqa: N815
    systemAudioPath: AudioPath  # noqa: N815
    microphoneAudioPath: AudioPath  # noqa: N815
    metadata: Metadata
    recordingTimestamp: Timestamp | None = None  # noqa: N815
    timestamp: Timestamp | None = None
    event: Annotated[Literal["recording.ended"], BeforeValidator(_event)] = "recording.ended"

    def moment(self) -> datetime:
        """When it ended: the recording's time, else the message's, else now."""
        return _first_time(self.recordingTimestamp, self.timestamp)


class StateChange(Body):
    state: Literal["failed"]


class NewApiKey(Body):
    principal: Name
    tenant: Name
    role: RoleName


class NewUser(Body):
    username: Name
    password: NewPassword
    role: RoleName
    tenant: Name


class Login(Body):
    username: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=128)]


class PresentedRefreshToken(Body):
    refresh_token: OpaqueToken


class Paging(BaseModel):
    """The query of a listing. The cursor is the `next_cursor` of the page before."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")] | None = None


class StartedAnswer(BaseModel):
    status: Literal["success"]
    recording_id: str


class EndedAnswer(BaseModel):
    status: Literal["success"]
    event_id: str


class Recording(BaseModel):
    recording_id: str
    state: Literal["active", "completed", "failed"]
    started_at: str | None
    ended_at: str | None
    created_at: str
    updated_at: str


class RecordingPage(BaseModel):
    recordings: list[Recording]
    next_cursor: str | None


class RecordedEvent(BaseModel):
    event_id: str
    recording_id: str
    event: Literal["recording.started", "recording.ended", "recording.failed"]
    occurred_at: str
    received_at: str
    principal: str
    system_audio_path: str | None
    microphone_audio_path: str | None
    metadata: dict[str, Any] | None


class EventPage(BaseModel):
    events: list[RecordedEvent]
    next_cursor: str | None


class IssuedTokens(BaseModel):
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: float
    refresh_token: str


class OpenedSession(BaseModel):
    csrf_token: str


class WhoAmI(BaseModel):
    principal: str
    tenant: str
    role: RoleName
    credential: Literal["key", "token", "session"]
    csrf_token: str | None


class IssuedKey(BaseModel):
    id: str
    key: str


class ListedKey(BaseModel):
    id: str
    principal: str
    tenant: str
    role: RoleName
    created_at: str
    rotated_from: str | None
    revoked_at: str | None


class KeyList(BaseModel):
    api_keys: list[ListedKey]


class ListedUser(BaseModel):
    id: str
    username: str
    role: RoleName
    tenant: str
    created_at: str


class UserList(BaseModel):
    users: list[ListedUser]


class CreatedUser(BaseModel):
    id: str


class Status(BaseModel):
    status: str


class Version(BaseModel):
    """`schema_revision` is the newest revision of the database's schema that the release knows."""

    version: str
    revision: str
    schema_revision: str


class ProblemDocument(BaseModel):
    """RFC 9457. For 422 `detail` is the contract's list."""

    type: str
    title: str
    status: int
    detail: str | list[dict[str, Any]]
    request_id: str


def _first_time(*candidates: str | None) -> datetime:
    chosen = next((candidate for candidate in candidates if candidate is not None), None)
    return clock.now() if chosen is None else clock.parse(chosen)
