"""What answers say of quotas: the fields of draft-ietf-httpapi-ratelimit-headers (2025), and Retry-After.

RateLimit-Policy: "default";q=100;w=5, "address";q=2000;w=5
RateLimit: "default";r=99;t=5, "address";r=1999;t=5
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from harness.probes.reply import Reply

# A list of Strings with parameters (RFC 9651); a token is accepted as a name, as older drafts wrote it.
_MEMBER: Final = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([A-Za-z*][\w.*-]*))((?:\s*;\s*[^;,]+)*)\s*(?:,|$)')
_PARAMETER: Final = re.compile(r";\s*([a-z*][a-z0-9_.*-]*)=(\d+)\s*(?=;|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaPolicy:
    """`quota` requests in `window_s` seconds, as a server announces it."""

    name: str
    quota: int
    window_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLimit:
    """What is left: `remaining` requests now, more of them in `reset_s` seconds."""

    name: str
    remaining: int
    reset_s: int


def quota_policies(reply: Reply) -> tuple[QuotaPolicy, ...]:
    """Return the members of RateLimit-Policy that carry a quota and a window."""
    return tuple(
        QuotaPolicy(name=name, quota=found["q"], window_s=found["w"])
        for name, found in _members(reply.headers.get("ratelimit-policy"))
        if {"q", "w"} <= found.keys()
    )


def service_limits(reply: Reply) -> tuple[ServiceLimit, ...]:
    """Return the members of RateLimit that carry what remains and when there is more."""
    return tuple(
        ServiceLimit(name=name, remaining=found["r"], reset_s=found["t"])
        for name, found in _members(reply.headers.get("ratelimit"))
        if {"r", "t"} <= found.keys()
    )


def retry_after_s(reply: Reply) -> int | None:
    """Return Retry-After in seconds; None where it is missing or no number (a date tells a client less)."""
    value = reply.headers.get("retry-after")
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def _members(text: str) -> Iterator[tuple[str, dict[str, int]]]:
    end = 0
    while end < len(text) and (found := _MEMBER.match(text, end)):
        quoted, token, parameters = found.groups()
        yield quoted if quoted is not None else token, {k: int(v) for k, v in _PARAMETER.findall(parameters)}
        end = found.end()
