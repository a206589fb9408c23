"""Valid requests with one value exchanged for another: this domain's values, put where they are looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from typing import Any, Final
from urllib.parse import quote

import orjson
from hypothesis import strategies as st

from harness.fuzz.description import Place, Shape
from harness.fuzz.message import Message, written
from harness.fuzz.order import Known, Operation
from harness.fuzz.values import BODIES, HEADERS, TEXTS, VALUES

_JSON: Final = ("Content-Type", "application/json")


_EARLY: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A kind of value at a place of an operation."""

    operation: Operation
    place: Place
    group: str


def trials(shapes: Iterable[Shape], seed: int) -> list[Trial]:
    """Return every kind of value at every place, shuffled by `seed`.

    The operations take turns, so that a short time reaches them all; after two of each comes what may hold
    anything.
    """
    random = Random(seed)  # noqa: S311 - it is to be repeatable
    free: list[Trial] = []
    turns: list[list[Trial]] = []
    for shape in shapes:
        found = [(place, trial) for place in shape.places for trial in _of(shape.operation, place)]
        random.shuffle(found)
        free += [trial for place, trial in found if place.free]
        turns.append([trial for place, trial in found if not place.free])
    random.shuffle(free)
    in_turn = [trial for turn in zip_longest(*turns) for trial in turn if trial is not None]
    early = _EARLY * len(turns)
    return [*in_turn[:early], *free, *in_turn[early:]]


def _of(operation: Operation, place: Place) -> Iterator[Trial]:
    for group in _groups(place):
        yield Trial(operation=operation, place=place, group=group)


def _groups(place: Place) -> Mapping[str, st.SearchStrategy[Any]]:
    match place.kind:
        case "body":
            return BODIES
        case "member":
            return VALUES
        case "header":
            return {place.name: HEADERS[place.name]}
        case "path" | "query":
            return TEXTS


def draw(data: st.DataObject, trial: Trial) -> Message:
    """Return a valid request with one value exchanged."""
    place, known = trial.place, trial.operation.known or (Known(parameters={}),)
    build = Builder(trial.operation, data.draw(st.sampled_from(known)))
    value = data.draw(_groups(place)[trial.group])
    match place.kind:
        case "body":
            return build(content=value)
        case "member":
            # What holds anything is often looked at on its surface only.
            deeper = {"value": data.draw(st.sampled_from((value, [value], {"value": value})))}
            return build(content=build.with_member(place.name, deeper if place.free else value))
        case "path":
            return build(parameters={place.name: value})
        case "query":
            shown = quote(value.encode("utf-8", "surrogatepass"))
            return build(query=f"?{quote(place.name)}={shown}")
        case "header":
            return build(fields=((place.name, value),))


class Builder:
    """Makes requests to an operation out of a valid one."""

    def __init__(self, operation: Operation, known: Known) -> None:
        self._operation = operation
        self._known = known

    def __call__(
        self,
        *,
        parameters: dict[str, str] | None = None,
        query: str = "",
        fields: tuple[tuple[str, str], ...] = (),
        content: bytes | None = None,
    ) -> Message:
        """Return the valid request with these changes."""
        method, _, path = self._operation.name.partition(" ")
        for name, value in {**self._known.parameters, **(parameters or {})}.items():
            path = path.replace(f"{{{name}}}", quote(value.encode("utf-8", "surrogatepass"), safe=""))
        body = self._known.body.encode() if content is None else content
        text, base64 = written(body)
        typed = not body or any(name.lower() == "content-type" for name, _ in fields)
        return Message(
            operation=self._operation.name,
            method=method,
            target=f"{path}{query}",
            fields=fields if typed else (_JSON, *fields),
            body=text,
            body_base64=base64,
        )

    def with_member(self, name: str, value: Any) -> bytes:
        """Return the valid body with one member set."""
        known = orjson.loads(self._known.body) if self._known.body else {}
        return json.dumps({**known, name: value} if isinstance(known, dict) else value).encode()
