"""The credentials that a check acts with, as records. `harness.credentials` makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["reader", "writer", "admin"]
TENANT = "tenant-a"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key and whose it is. `id` names it in the administration; "" is the deployment's first key."""

    value: str = field(repr=False)
    id: str = ""
    role: Role = "admin"
    tenant: str = TENANT
    principal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can log in with a browser."""

    username: str
    password: str = field(repr=False)
    role: Role
    tenant: str = TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """An access token and the refresh token that renews it; expires_in in seconds."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession:
    """A cookie session: the cookie, and the token that unsafe methods must carry in `csrf_header`.

    set_cookie: the Set-Cookie header that began it, attributes included.
    """

    name: str
    value: str = field(repr=False)
    csrf: str = field(default="", repr=False)
    csrf_header: str = "X-CSRF-Token"
    set_cookie: str = field(default="", repr=False)

    @property
    def cookie(self) -> str:
        """The value of a Cookie header."""
        return f"{self.name}={self.value}"
