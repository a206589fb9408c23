"""What a target can do, and where: the [capabilities] of its contract file. Paths are below its base path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.tomlfile import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Health(Closed):
    simple: str | None = None
    live: str | None = None
    ready: str | None = None
    startup: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings(Closed):
    """`read` and `events` carry {recording_id}."""

    started: str
    ended: str
    read: str | None = None
    list: str | None = None
    events: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens(Closed):
    issue: str
    refresh: str | None = None
    revoke: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions(Closed):
    login: str
    cookie: str
    current: str | None = None
    logout: str | None = None
    logout_all: str | None = None
    csrf_header: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration(Closed):
    """`key` and `rotate` carry {key_id}."""

    api_keys: str
    key: str | None = None
    rotate: str | None = None
    users: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description(Closed):
    """The API description: a path that answers it, or a command that prints it."""

    path: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe(Closed):
    """A command that prints, as JSON, what the server would run."""

    command: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version(Closed):
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs(Closed):
    format: Literal["json"] = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Docs(Closed):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities(Closed):
    """What the target can do; None: it cannot."""

    health: Health | None = None
    recordings: Recordings | None = None
    tokens: Tokens | None = None
    sessions: Sessions | None = None
    administration: Administration | None = None
    description: Description | None = None
    describe: Describe | None = None
    version: Version | None = None
    logs: Logs | None = None
    docs: Docs | None = None
