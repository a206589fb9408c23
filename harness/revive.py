"""Records made again from the JSON of a journal."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from harness.records import (
    Chart,
    Diagram,
    Event,
    Evidence,
    Exchange,
    Finding,
    Hop,
    Line,
    Mark,
    Measurement,
    Node,
    Observation,
    Proof,
    Run,
    Stale,
    Table,
    Timing,
)
from harness.verdict import Verdict

T = TypeVar("T")
_EVIDENCE: Mapping[str, type[Evidence]] = {
    "exchange": Exchange,
    "measurement": Measurement,
    "observation": Observation,
    "chart": Chart,
    "table": Table,
    "diagram": Diagram,
}


class Unreadable(Exception):
    """A payload that is not the record it says it is; the argument says why."""


def revive_finding(payload: Any) -> Finding:
    """Return the finding. Raises `Unreadable`."""
    return _build(
        Finding,
        payload,
        verdict=Verdict,
        timing=lambda value: _build(Timing, value, uses=tuple),
        evidence=lambda values: tuple(_evidence(value) for value in values),
    )


def revive_event(payload: Any) -> Event:
    """Return the event. Raises `Unreadable`."""
    return _build(Event, payload)


def revive_proof(payload: Any) -> Proof:
    """Return the proof. Raises `Unreadable`."""
    return _build(Proof, payload)


def revive_run(payload: Any) -> Run:
    """Return the head of a journal. Raises `Unreadable`."""
    return _build(
        Run,
        payload,
        profiles=tuple,
        controls=tuple,
        waivers=tuple,
        proofs=lambda values: tuple(revive_proof(value) for value in values),
        stale=lambda values: tuple(_build(Stale, value) for value in values),
        checks=lambda known: {str(control): tuple(checks) for control, checks in known.items()},
    )


def _evidence(payload: Any) -> Evidence:
    try:
        kind = _EVIDENCE[payload["kind"]]
    except (KeyError, TypeError):
        raise Unreadable("unknown kind of evidence") from None
    if kind is Exchange:
        return _build(Exchange, payload, request_headers=_pairs, response_headers=_pairs)
    return _build(kind, payload, **_PARTS.get(kind, {}))


def _line(payload: Any) -> Line:
    return _build(Line, payload, points=_points)


def _points(values: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(x), float(y)) for x, y in values)


def _hop(payload: Any) -> Hop:
    return _build(Hop, payload, controls=tuple)


def _each(make: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    return lambda values: tuple(make(value) for value in values)


_PARTS: Mapping[type[Evidence], Mapping[str, Callable[[Any], Any]]] = {
    Chart: {"lines": _each(_line), "marks": _each(lambda mark: _build(Mark, mark))},
    Table: {"columns": tuple, "rows": _each(tuple)},
    Diagram: {"nodes": _each(lambda node: _build(Node, node)), "hops": _each(_hop)},
}


def _pairs(values: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in values)


def _build(record: type[T], payload: Any, **convert: Callable[[Any], Any]) -> T:
    try:
        fields = {key: convert[key](value) if key in convert else value for key, value in payload.items()}
        return record(**fields)
    except (AttributeError, TypeError, ValueError) as cause:
        known = ", ".join(field.name for field in dataclasses.fields(record))  # type: ignore[arg-type]
        raise Unreadable(f"not a {record.__name__.lower()} ({cause}); its fields are {known}") from None
