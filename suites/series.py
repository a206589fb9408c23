"""What checks of single releases share: a series of good and bad ones, in an order that chance gives."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from harness import Observation, record
from harness.probes.rehearsal import Rehearsal, Standing
from harness.probes.rollout import RolloutProbe
from harness.probes.writes import Writing
from harness.releases.entries import Outcome, Step
from harness.site import Site
from suites.releases import FAILING, FORGETTING, GOOD, RELEASES, UNREADY, made

MEANWHILE: Final = 50  # writes that must have been under way during one release
KINDS: Final = (GOOD, UNREADY, FAILING, FORGETTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Releases one after another. order: the kind of each, also of those that were not tried any more."""

    seed: int
    order: Sequence[str]
    seen: Rehearsal

    def ended(self, how: Callable[[str, Outcome], bool]) -> list[str]:
        """Tell of the releases that ended in some way, by kind and outcome."""
        tried = zip(self.order, self.seen.outcomes, strict=False)
        return [
            f"{number}: {RELEASES[kind].title}: {outcome.result} ({outcome.why or 'without a reason'})"
            for number, (kind, outcome) in enumerate(tried, 1)
            if how(kind, outcome)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One release put into service. before, after: what stood then. writing: what was under way meanwhile.

    broken: what was promised of these writes and not kept.
    """

    outcome: Outcome
    before: Standing
    after: Standing
    writing: Writing
    broken: Sequence[str]


def series(site: Site) -> Series:
    """Put the policy's number of releases into service while writes go on, each kind once at least.

    The checks of a deployment share it. It ends with the first release that ends otherwise than it must.
    """
    seed = site.rollout.seed
    order = order_of(seed, site.policy.releases.in_a_row)
    title = f"{len(order)} releases in a row, seed {seed}"
    record(Observation(subject=title, data={"seed": seed, "order": [*order]}))
    releases = [
        site.rollout.made(f"2.{seed}.{number}", RELEASES[kind]) for number, kind in enumerate(order, 1)
    ]

    def work(rollouts: RolloutProbe) -> None:
        for kind, release in zip(order, releases, strict=True):
            if not right(kind, rollouts.release(release)):
                return

    return Series(seed=seed, order=order, seen=site.rollout.rehearse(title, work))


def tried(site: Site, kind: str) -> Tried:
    """One release of a kind put into service while writes go on: the first one of the series, else one alone.

    Alone, where the series ended before it.
    """
    found = series(site)
    if kind in found.order[: len(found.seen.outcomes)]:
        return _of(found.seen, found.order.index(kind))
    release, title = made(site, kind), f"a release with this: {RELEASES[kind].title}"
    return _of(site.rollout.rehearse(title, lambda rollouts: rollouts.release(release)), 0)


def right(kind: str, outcome: Outcome) -> bool:
    """Whether a rollout ended as it must: a bad release is left before clients meet it, or soon after."""
    if kind == GOOD:
        return outcome.result == "taken" and outcome.serving == outcome.version
    return _left(outcome) and _met(outcome) == (kind == FAILING)


def late(kind: str, outcome: Outcome) -> bool:
    """Whether a release that clients are to meet was left before they did: it may have been slow to start."""
    return not right(kind, outcome) and _left(outcome) and (kind == GOOD or not _met(outcome))


def _left(outcome: Outcome) -> bool:
    return outcome.result == "returned" and outcome.serving == outcome.before


def _met(outcome: Outcome) -> bool:
    """Whether clients were sent to the release."""
    return outcome.seconds(Step.SWITCH) is not None


def _of(seen: Rehearsal, place: int) -> Tried:
    outcome = seen.outcomes[place]
    writing = seen.during(outcome)
    return Tried(
        outcome=outcome,
        before=seen.stood[place],
        after=seen.stood[place + 1],
        writing=writing,
        broken=seen.judged.only(writing.writes).broken,
    )


def order_of(seed: int, number: int) -> list[str]:
    """Each kind once at least, and further ones, shuffled."""
    dice = random.Random(seed)
    order = [*KINDS, *dice.choices(KINDS, k=max(0, number - len(KINDS)))]
    dice.shuffle(order)
    return order
