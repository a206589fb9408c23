"""Who a request acts for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """Rights in rising order: each role may do what the ones below it may."""

    READER = 1
    WRITER = 2
    ADMIN = 3

    @classmethod
    def parse(cls, name: str) -> Role:
        """The role called `name` in lower case; KeyError for any other word."""
        return cls[name.upper()]

    @property
    def label(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller.

    `id` names it in logs, `tenant` owns what it writes, `key_id` is the API key that it or its token rests on
    (None for a browser session), `credential` says what was presented: "key", "token" or "session".
    """

    id: str
    tenant: str
    role: Role
    key_id: str | None = None
    credential: str = "key"
    session: bytes | None = None
