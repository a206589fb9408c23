"""Rollouts as pictures for the report: who served when, what clients met, what became of writes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from harness.load.histogram import Histogram
from harness.records import Chart, Line, Mark, Table
from harness.releases.entries import Outcome, Step
from harness.releases.history import Answered, Fate, Judged, Write
from harness.releases.stage import Colour, Sample

_WINDOW_S: Final = 0.5
_POINTS: Final = 200  # of a curve at most; over a longer time the windows are wider
_MARKED: Final = (Step.EXPAND, Step.START, Step.VERIFY, Step.SWITCH, Step.WATCH, Step.RETURN)
Point = tuple[float, float]


def exhibits(
    outcomes: Sequence[Outcome],
    samples: Sequence[Sample],
    writes: Sequence[Write],
    judged: Judged,
    *,
    title: str,
) -> tuple[Chart | Table, ...]:
    """Return everything there is to see of rollouts, and of the writes that went on meanwhile."""
    times = [write.due for write in writes] + [outcome.began for outcome in outcomes]
    clock = _Clock(began=min(times, default=0.0), ended=max(times, default=0.0))
    return (
        rollouts_table(outcomes, title=title),
        history_table(judged, title=title),
        *_charts(outcomes, samples, writes, clock, title=title),
    )


def rollouts_table(outcomes: Sequence[Outcome], *, title: str) -> Table:
    """Return what each rollout came to."""
    names = ("rollout", "result", "serves then", "seconds", "switch s", "recovery s")
    return Table(
        page="rollout",
        title=f"Rollouts: {title}",
        columns=(*names, "why"),
        rows=tuple(
            (
                *(f"{one.operation} of {one.version}", one.result, one.serving),
                *map(_rounded, (one.ended - one.began, one.seconds(Step.SWITCH), one.recovery_s)),
                one.why.partition("\n")[0],
            )
            for one in outcomes
        ),
    )


def history_table(judged: Judged, *, title: str) -> Table:
    """Return how many writes came to what, as their clients knew them."""
    rows: list[tuple[str | int, ...]] = []
    for answered in Answered:
        counts = [judged.counts[answered, fate] for fate in Fate]
        rows.append((answered, sum(counts), *counts))
    rows.append(("never sent", len(judged.strange), len(judged.strange), 0, 0, 0))
    return Table(
        page="rollout",
        title=f"Writes read back: {title}",
        columns=("as its client knew it", "writes", "there once", "not there", "duplicated", "altered"),
        rows=tuple(rows),
    )


class _Clock:
    """Seconds from the beginning, in windows."""

    def __init__(self, *, began: float, ended: float) -> None:
        self.began = began
        self.window_s = max(_WINDOW_S, (ended - began) / _POINTS)

    def window(self, at: float) -> int:
        return int((at - self.began) / self.window_s)

    def rate(self, counted: Iterable[tuple[float, int]]) -> tuple[Point, ...]:
        """Return how many a second there were in each window, none in those between that are empty."""
        sums: dict[int, int] = {}
        for at, number in counted:
            sums[self.window(at)] = sums.get(self.window(at), 0) + number
        if not sums:
            return ()
        windows = range(min(sums), max(sums) + 1)
        return tuple((round(n * self.window_s, 2), round(sums.get(n, 0) / self.window_s, 2)) for n in windows)

    def p95(self, durations: Iterable[tuple[float, float]]) -> tuple[Point, ...]:
        """Return the 95th percentile of each window's durations, in milliseconds."""
        found: dict[int, Histogram] = {}
        for at, seconds in durations:
            found.setdefault(self.window(at), Histogram()).record(seconds * 1000)
        return tuple(
            (round(n * self.window_s, 2), round(found[n].percentile(0.95), 2)) for n in sorted(found)
        )


def _charts(
    outcomes: Sequence[Outcome],
    samples: Sequence[Sample],
    writes: Sequence[Write],
    clock: _Clock,
    *,
    title: str,
) -> tuple[Chart, Chart, Chart]:
    marks = tuple(_marks(outcomes, clock.began))

    def chart(name: str, y: str, **lines: tuple[Point, ...]) -> Chart:
        return Chart(
            page="rollout",
            title=f"{name}: {title}",
            x="time (s)",
            y=y,
            lines=tuple(Line(name=line.replace("_", " "), points=points) for line, points in lines.items()),
            marks=marks,
        )

    def writes_like(answered: Answered) -> tuple[Point, ...]:
        return clock.rate((write.due, 1) for write in writes if write.answered is answered)

    traffic = {
        str(colour): clock.rate(
            (one.at, one.traffic[colour].requests) for one in samples if colour in one.traffic
        )
        for colour in Colour
    }
    errors = clock.rate((one.at, sum(t.errors for t in one.traffic.values())) for one in samples)
    return (
        chart("Who answered", "requests a second", **traffic, errors=errors),
        chart(
            "Writes meanwhile",
            "writes a second",
            acknowledged=writes_like(Answered.ACKNOWLEDGED),
            sent_again=clock.rate((write.due, 1) for write in writes if write.disturbed),
            unknown=writes_like(Answered.UNKNOWN),
            refused=writes_like(Answered.REFUSED),
        ),
        chart(
            "Latency of writes, sendings again included",
            "p95 from when each was due (ms)",
            p95=clock.p95((write.due, write.done - write.due) for write in writes),
        ),
    )


def _marks(outcomes: Sequence[Outcome], began: float) -> Iterable[Mark]:
    for outcome in outcomes:
        for one in outcome.steps:
            if one.mark != "begun" and one.step in _MARKED:
                yield Mark(at=round(one.at - began, 2), label=f"{outcome.version}: {one.step} {one.mark}")
        yield Mark(at=round(outcome.ended - began, 2), label=f"{outcome.version}: {outcome.result}")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
