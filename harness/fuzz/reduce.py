"""Makes a failing request small: what can be left out, or be plainer, while it still fails the same way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from harness.fuzz.message import Message, written
from harness.records import Json

_TRIES: Final = 60


def reduced(message: Message, fails: Callable[[Message], bool]) -> Message:
    """Return the smallest request found that `fails` as this one does. It is asked 60 times at most."""
    left = _TRIES
    found = message
    while True:
        for candidate in _smaller(found):
            if left == 0:
                return found
            left -= 1
            if fails(candidate):
                found = candidate
                break
        else:
            return found


def _smaller(message: Message) -> Iterator[Message]:
    """Yield requests that are smaller by one step, the longest steps first."""
    path, mark, _ = message.target.partition("?")
    if mark:
        yield replace(message, target=path)
    for at in range(len(message.fields)):
        yield replace(message, fields=(*message.fields[:at], *message.fields[at + 1 :]))
    document = message.json()
    if document is not None:
        for value in _plainer(document):
            yield _with_body(message, json.dumps(value).encode())
    elif len(content := message.content) > 1:
        yield from (_with_body(message, content[start:end]) for start, end in _parts(len(content)))


def _plainer(value: Json) -> Iterator[Json]:
    """Yield values that hold less: without a part of it, with a part of it plainer, with less of a text."""
    match value:
        case dict():
            yield from ({other: item for other, item in value.items() if other != name} for name in value)
            for name, item in value.items():
                yield from ({**value, name: plain} for plain in _plainer(item))
        case list():
            for at, item in enumerate(value):
                yield [*value[:at], *value[at + 1 :]]
                yield from ([*value[:at], plain, *value[at + 1 :]] for plain in _plainer(item))
        case str() if len(value) > 1:
            yield from (value[start:end] for start, end in _parts(len(value)))
        case _:
            pass


def _parts(length: int) -> Iterator[tuple[int, int]]:
    """Yield where smaller parts of something begin and end: half of it, then ever less left out."""
    for left_out in dict.fromkeys((length // 2, length // 4, length // 16, 1)):
        if left_out:
            yield 0, length - left_out
            yield left_out, length


def _with_body(message: Message, content: bytes) -> Message:
    body, base64 = written(content)
    return replace(message, body=body, body_base64=base64)
