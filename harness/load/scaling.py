"""What several counts of replicas serve when each is asked for more than it can do. Pure.

The capacity is the most that is answered each second as ever more is asked. The generator does not wait for
answers, so that requests queue where the bottleneck is; that the replicas used their quota up shows that they
were it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from harness.load.levels import IDLE, undelivered
from harness.load.records import LoadResult
from harness.records import Chart, Line, Table

PERIOD_S: Final = 0.1  # of the scheduler's quotas, as Docker sets them
_HELD_BACK: Final = 0.75  # of the periods with a queue, those in which each replica's quota was used up
_KEPT_UP: Final = 0.88  # of what was asked, at the height


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One count of replicas under load.

    throttled: periods in which the quota was used up, of the replica with the fewest.
    used_s: processor seconds of all replicas.
    before: the most that they served each second in earlier runs that they kept up with.
    """

    replicas: int
    result: LoadResult
    throttled: int
    used_s: float
    before: float = 0.0

    @property
    def served(self) -> float:
        """The most requests answered rightly each second."""
        return max(self.before, self.result.served)

    @property
    def cost_s(self) -> float:
        """Processor seconds of the replicas for each right answer."""
        return self.used_s / max(self.result.offered - self.result.failed, 1)

    @property
    def used(self) -> float:
        """Processors that all replicas used for what they served, once a queue had formed."""
        return self.result.served * self.cost_s

    @property
    def kept_up(self) -> bool:
        """Whether no more was asked than could be done: its capacity is then unknown."""
        return self.result.served >= _KEPT_UP * self.result.rate

    @property
    def held_back(self) -> bool:
        """Whether each replica used its quota up as long as there was a queue."""
        return self.throttled >= _HELD_BACK * self.result.for_s / 2 / PERIOD_S


def share(stages: Sequence[Stage], stage: Stage) -> float:
    """Return what a count of replicas serves, as a part of so many times what the least count does each."""
    least = min(stages, key=lambda one: one.replicas)
    return stage.served / stage.replicas / (least.served / least.replicas)


def short(stages: Sequence[Stage], least: float) -> list[Stage]:
    """Return every count of replicas that serves less than the share of its count."""
    return [stage for stage in stages if share(stages, stage) < least]


def told(stages: Sequence[Stage], found: Sequence[Stage]) -> str:
    """Return what those `found` among `stages` serve, a sentence for each."""
    return "; ".join(
        f"{_told(stage)} serve {stage.served:.0f} requests a second, {share(stages, stage):.0%} of "
        f"{stage.replicas} times what one does"
        + ("" if stage.held_back else ", and something else than their quota held them back")
        for stage in found
    )


def unclear(stages: Sequence[Stage], least: float) -> str:
    """Return why nothing follows from the stages, "" where something does."""
    return next(_reasons(stages, least), "")


def exhibits(stages: Sequence[Stage], least: float, *, title: str) -> tuple[Chart, Table]:
    """Return the curve over the count of replicas beside the least that is promised, and its figures."""
    ordered = sorted(stages, key=lambda one: one.replicas)
    each = ordered[0].served / ordered[0].replicas
    curves = {
        "measured": [one.served for one in ordered],
        "as many times one": [one.replicas * each for one in ordered],
        f"{least:.0%} of that, the least": [
            (1.0 if one is ordered[0] else least) * one.replicas * each for one in ordered
        ],
    }
    chart = Chart(
        page="performance",
        title=f"Scaling: {title}",
        x="replicas",
        y="requests answered each second",
        lines=tuple(
            Line(
                name=name,
                points=tuple((float(one.replicas), at) for one, at in zip(ordered, served, strict=True)),
            )
            for name, served in curves.items()
        ),
    )
    table = Table(
        page="performance",
        title=f"Scaling: {title}",
        columns=(
            *("replicas", "asked a second", "answered a second", "of as many times one", "wrong"),
            *("ms of processor time a request", "periods at the quota", "machine left over"),
        ),
        rows=tuple(
            (
                *(one.replicas, round(one.result.rate, 1), round(one.served, 1)),
                *(round(share(ordered, one), 2), one.result.failed, round(1000 * one.cost_s, 2)),
                *(one.throttled, round(one.result.idle, 2)),
            )
            for one in ordered
        ),
    )
    return chart, table


def _reasons(stages: Sequence[Stage], least: float) -> Iterator[str]:
    for stage in stages:
        if reason := undelivered(stage.result):
            yield reason
        if not stage.served:
            yield f"{_told(stage)} served nothing"
        if stage.kept_up:
            yield f"{_told(stage)} did all that was asked: what they can do is unknown"
        # With processors to spare, whatever else holds the replicas back is their own.
        if not stage.held_back and stage.result.idle < IDLE:
            yield f"the machine was too busy to give {_told(stage)} their quota"
    if short(stages, least) and any(stage.result.idle < IDLE for stage in stages):
        yield "the machine was too busy: what was served beside other work is not what can be served"


def _told(stage: Stage) -> str:
    return "1 replica" if stage.replicas == 1 else f"{stage.replicas} replicas"
