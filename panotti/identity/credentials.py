"""What a request presents to prove who it is: exactly one thing, in exactly one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from panotti.identity.sessions import COOKIE

Header = tuple[bytes, bytes]
BEARER = b"bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCookie:
    value: bytes


Credential = ApiKey | Bearer | SessionCookie


def presented(headers: Iterable[Header]) -> Credential | None:
    """The credential of these headers; None if there is none or more than one could be meant.

    A cookie counts only when no header is there: a browser sends it unasked.
    """
    keys, authorizations, cookies = [], [], []
    for name, value in headers:
        if name == b"x-api-key":
            keys.append(value)
        elif name == b"authorization":
            authorizations.append(value)
        elif name == b"cookie":
            cookies.append(value)
    if len(keys) + len(authorizations) > 1:
        return None
    if keys:
        return ApiKey(value=keys[0])
    if authorizations:
        value = authorizations[0]
        return Bearer(value=value[len(BEARER) :]) if value[: len(BEARER)].lower() == BEARER else None
    sessions = session_cookies(cookies)
    return SessionCookie(value=sessions[0]) if len(sessions) == 1 else None


def session_cookies(headers: Iterable[bytes]) -> list[bytes]:
    """The values of every session cookie in these Cookie headers."""
    wanted = COOKIE.encode()
    pairs = (part.strip().partition(b"=") for header in headers for part in header.split(b";"))
    return [value for name, _, value in pairs if name == wanted and value]
