"""The sections of a policy about releases: how one takes the place of another, and comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from harness.policy.values import Count, Milliseconds, Seconds, Share
from harness.tomlfile import Closed

Kept = Literal["sessions", "limits", "revocations", "in-flight"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch(Closed):
    """How a release is watched once it serves: for how long, and what it must keep to, or clients go back.

    samples: the least requests that decide. They are waited for beyond for_s, up to at_most_s; a release that
    has fewer by then is not taken.
    error_share: of requests without an answer, or with 5xx. latency_ms: what the mean answer may take.
    """

    for_s: Seconds
    at_most_s: Seconds
    samples: Count
    error_share: Share
    latency_ms: Milliseconds

    def __post_init__(self) -> None:
        if self.at_most_s < self.for_s:
            raise ValueError("at_most_s is shorter than for_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases(Closed):
    """Rollouts and rollbacks.

    switch_s: a switch takes no longer, nor does one back. recovery_s: from the first moment at which clients
    meet a bad release until none does. survive: what a rollback leaves as it was. in_a_row: how many are put
    into service one after another, good and bad, in an order that chance gives, each kind at least once.
    """

    switch_s: Seconds
    recovery_s: Seconds
    survive: Annotated[tuple[Kept, ...], Field(min_length=1)]
    in_a_row: Count
    watch: Watch
