"""Who a request acts for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

# How the id of the first administrator's key begins. Those of the others are hexadecimal.
BOOTSTRAP = "bootstrap"


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
    (None for a browser session), `credential` says what was presented: "key", "token" or "session". `family`
    is that of the token, `session` the digest of the browser session.
    """

    id: str
    tenant: str
    role: Role
    key_id: str | None = None
    credential: str = "key"
    family: str | None = None
    session: bytes | None = None

    @property
    def is_bootstrap(self) -> bool:
        """Whether it rests on the first administrator's key, which is no row."""
        return self.key_id is not None and self.key_id.startswith(BOOTSTRAP)
