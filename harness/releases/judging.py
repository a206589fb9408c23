"""Whether a release that has just begun to serve does so well enough to stay. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.policy.releases import Watch
from harness.releases.stage import Colour, Sample, Traffic


@dataclass(slots=True)
class Judge:
    """Adds up what a colour answers after it was switched to."""

    colour: Colour
    limits: Watch
    seen: Traffic = field(default_factory=Traffic)
    elsewhere: int = 0
    began: float | None = None
    lasted_s: float = 0.0

    @property
    def enough(self) -> bool:
        """Whether it was looked at for long enough, and often enough."""
        return self.lasted_s >= self.limits.for_s and self.seen.requests >= self.limits.samples

    def take(self, sample: Sample) -> str:
        """Add a sample; return what is wrong beyond doubt already, "" while nothing is."""
        self.began = sample.at if self.began is None else self.began
        self.lasted_s = sample.at - self.began
        self.seen = _sum(self.seen, sample.traffic.get(self.colour, Traffic()))
        self.elsewhere += sample.traffic.get(self.colour.other, Traffic()).requests
        if self.elsewhere:
            return f"{self.elsewhere} requests went to {self.colour.other} after the switch to {self.colour}"
        # As if all that is still to come up to the floor were answered well.
        if self.seen.errors > self.limits.error_share * max(self.seen.requests, self.limits.samples):
            return self._errors()
        return ""

    def conclude(self) -> str:
        """Return what was wrong in all, "" where the release may stay."""
        if self.seen.requests < self.limits.samples:
            return (
                f"{self.seen.requests} requests in {self.lasted_s:.0f} s decide nothing: "
                f"{self.limits.samples} are the least"
            )
        if self.seen.errors > self.limits.error_share * self.seen.requests:
            return self._errors()
        if self.seen.latency_ms > self.limits.latency_ms:
            return (
                f"{self.seen.latency_ms:.1f} ms for the mean answer of {self.seen.requests}, "
                f"{self.limits.latency_ms:g} are allowed"
            )
        return ""

    def _errors(self) -> str:
        share = self.seen.errors / self.seen.requests
        return (
            f"{self.seen.errors} of {self.seen.requests} requests failed ({share:.1%}), "
            f"{self.limits.error_share:.1%} are allowed"
        )


def _sum(one: Traffic, other: Traffic) -> Traffic:
    requests = one.requests + other.requests
    spent = one.latency_ms * one.requests + other.latency_ms * other.requests
    return Traffic(
        requests=requests,
        errors=one.errors + other.errors,
        latency_ms=spent / requests if requests else 0.0,
    )
