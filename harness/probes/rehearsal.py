"""What was seen of rollouts while writes went on."""

from __future__ import annotations

from dataclasses import dataclass

from harness.probes.writes import Writing
from harness.releases.entries import Outcome
from harness.releases.history import Judged
from harness.releases.stage import Release, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The release that clients are sent to, and the one at the other colour."""

    serving: Release | None
    beside: Release | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Rollouts, and what clients met meanwhile. outcomes: in their order. samples: of the edge's traffic.

    stood: what stood before the first of them, and after each.
    """

    outcomes: tuple[Outcome, ...]
    stood: tuple[Standing, ...]
    writing: Writing
    judged: Judged
    samples: tuple[Sample, ...]

    def during(self, outcome: Outcome) -> Writing:
        """Return the writes that were under way at any moment of a rollout."""
        writes = self.writing.writes
        meanwhile = [w for w in writes if w.attempts[0].at <= outcome.ended and w.done >= outcome.began]
        return Writing(tenant=self.writing.tenant, writes=meanwhile)
