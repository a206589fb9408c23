"""The sections on what users are promised: service levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from harness.policy.values import Count, Milliseconds, Seconds, Share, Text
from harness.tomlfile import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Closed):
    """Within which time 95 and 99 of 100 requests are answered, counted from when each was due."""

    p95_ms: Milliseconds
    p99_ms: Milliseconds

    def __post_init__(self) -> None:
        if self.p95_ms > self.p99_ms:
            raise ValueError("p95_ms is longer than p99_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail(Closed):
    """All but `share` of the requests, whatever their step, are answered within `most_ms`."""

    most_ms: Milliseconds
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLevels(Closed):
    """What users are promised at `rate` requests a second over all steps of their journey.

    for_s: how long it is measured. error_share: the share of wrong answers, or of none, that may be.
    samples: below so many requests of a step, its percentiles say nothing. steps: by name of the step.
    """

    rate: Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
    for_s: Seconds
    error_share: Share
    samples: Count
    tail: Tail
    steps: Annotated[Mapping[Text, Latency], Field(min_length=1)]
