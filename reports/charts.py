"""Charts as SVG: curves over two axes, drawn from the numbers alone and coloured by the page's own style."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Final

from markupsafe import Markup

from harness.records import Chart, Mark
from reports.text import printable

PERCENTILE: Final = "percentile"  # this axis is drawn as HdrHistogram draws it: each nine as wide as the last
WIDTH, HEIGHT = 720, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 18, 42
_NINES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
_STEPS: Final = (1, 2, 5, 10)

Place = Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Where a value stands along an axis, and which values get a line and a number."""

    place: Place
    ticks: tuple[float, ...]


def chart_svg(chart: Chart) -> Markup:
    """Return the chart as one SVG element; marks are numbered, for a list beside it."""
    points = [point for line in chart.lines for point in line.points if all(map(isfinite, point))]
    across = [x for x, _ in points] + [mark.at for mark in chart.marks]
    x = _percentiles(across) if chart.x == PERCENTILE else _linear(across, _LEFT, WIDTH - _RIGHT)
    y = _linear([0.0, *(y for _, y in points)], HEIGHT - _BOTTOM, _TOP)
    parts = [*_grid(x, y), *_names(chart), *_marks(chart.marks, x.place)]
    parts += [
        _curve(number, [p for p in line.points if all(map(isfinite, p))], x, y)
        for number, line in enumerate(chart.lines)
    ]
    if not points:
        parts.append(_text(WIDTH / 2, HEIGHT / 2, "no points", "middle"))
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, printable(chart.title), Markup("").join(parts)
    )


def ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Return round values from `low` to `high`, about as many as asked for."""
    if high <= low:
        return (low,)
    size = 10 ** floor(log10((high - low) / about))
    step = next(size * factor for factor in _STEPS if size * factor * about >= high - low)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return tuple(number * step for number in range(first, last + 1))


def _linear(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values, default=0.0), max(values, default=1.0)
    high = high if high > low else low + 1
    high = max(high, ticks(low, high * 1.04)[-1])

    def place(value: float) -> float:
        return start + (value - low) / (high - low) * (end - start)

    return Axis(place=place, ticks=ticks(low, high))


def _percentiles(values: Sequence[float]) -> Axis:
    top = max((value for value in values if value < 100), default=99.0)
    shown = [nine for nine in _NINES if nine <= top] or [0.0]
    low, high = _nines(min(values, default=0.0)), max(_nines(top) * 1.06, 0.1)

    def place(value: float) -> float:
        share = (_nines(min(value, top)) - low) / (high - low)
        return _LEFT + (1.0 if value >= 100 else share) * (WIDTH - _RIGHT - _LEFT)

    return Axis(place=place, ticks=tuple(nine for nine in shown if _nines(nine) >= low))


def _nines(percentile: float) -> float:
    return log10(100 / (100 - min(percentile, 99.9999)))


def _grid(x: Axis, y: Axis) -> Iterator[Markup]:
    for tick in y.ticks:
        at = y.place(tick)
        yield _line("grid", _LEFT, at, WIDTH - _RIGHT, at)
        yield _text(_LEFT - 8, at + 4, written(tick), "end")
    for tick in x.ticks:
        yield _text(x.place(tick), HEIGHT - _BOTTOM + 18, written(tick), "middle")
    yield _line("axis", _LEFT, HEIGHT - _BOTTOM, WIDTH - _RIGHT, HEIGHT - _BOTTOM)


def _names(chart: Chart) -> Iterator[Markup]:
    yield _text(WIDTH - _RIGHT, HEIGHT - 6, chart.x, "end")
    yield _text(4, _TOP - 6, chart.y, "start")


def _marks(marks: Sequence[Mark], place: Place) -> Iterator[Markup]:
    for count, mark in enumerate(marks, 1):
        at = place(mark.at)
        yield Markup("<g><title>{}</title>{}{}</g>").format(
            printable(mark.label),
            _line("moment", at, _TOP, at, HEIGHT - _BOTTOM),
            _text(at, _TOP - 6, str(count), "middle"),
        )


def _curve(count: int, points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> Markup:
    places = [(x.place(across), y.place(up)) for across, up in points]
    if len(places) == 1:
        return Markup('<circle class="dot c{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(count % 6, *places[0])
    path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    return Markup('<polyline class="curve c{}" points="{}"/>').format(count % 6, path)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    shape = '<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>'
    return Markup(shape).format(kind, x1, y1, x2, y2)  # noqa: S704  a constant of ours


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        x, y, anchor, printable(text)
    )


def written(value: float) -> str:
    """Return a number as a person writes it: `0.05`, `1200`, `99.9`."""
    return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3g}"
