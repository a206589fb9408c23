"""One line of a journal: JSON with a hash that chains it to the line before.

    {"sha256":"<64 hexadecimal digits>","n":3,"type":"finding","payload":{...}}

The hash covers the hash of the line before and every byte that follows it, so that a line is checked as it
stands in the file. A chain begins at the hash of the journal's head and the segment's name: a segment of
another run does not fit.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_PREFIX = b'{"sha256":"'
_HASH_END = len(_PREFIX) + 64
_BODY_AT = _HASH_END + 2  # after the closing quote and the comma
ORIGIN = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that was read: its number, type, content, and the hash it states."""

    n: int
    type: str
    payload: Any
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """Something wrong with a chain. cut: a writer was stopped; otherwise somebody changed the file."""

    what: str
    cut: bool


def first_link(head: str, segment: str) -> str:
    """Return what a segment's chain begins at: the hash of the journal's head and the segment's own name."""
    return hashlib.sha256(f"{head}/{segment}".encode()).hexdigest()


def encode(previous: str, n: int, kind: str, payload: object) -> tuple[bytes, str]:
    """Return the line, newline included, and its hash."""
    body = _json({"n": n, "type": kind, "payload": payload})
    digest = _hash(previous, body[1:])
    return b"".join((_PREFIX, digest.encode(), b'",', body[1:], b"\n")), digest


def decode(data: bytes, previous: str) -> Iterator[Line | Flaw]:
    """Yield the lines of `data` in order, and every flaw where it stands.

    After an edited line the chain goes on from the hash that the line states, so that one edit is one flaw.
    """
    *whole, tail = data.split(b"\n")
    expected = 0
    for number, raw in enumerate(whole, start=1):
        line = _parse(raw)
        if line is None:
            yield Flaw(what=f"line {number} was edited: it is not a record", cut=False)
            continue
        if line.n != expected:
            yield Flaw(
                what=f"line {number} was edited: record {line.n} stands where {expected} belongs", cut=False
            )
        elif line.sha256 != _hash(previous, raw[_BODY_AT:]):
            yield Flaw(what=f"line {number} was edited: it does not match its hash", cut=False)
        yield line
        previous, expected = line.sha256, line.n + 1
    if tail:
        yield Flaw(what=f"line {len(whole) + 1} is cut off", cut=True)


def _hash(previous: str, body: bytes) -> str:
    return hashlib.sha256(previous.encode() + body).hexdigest()


def _parse(raw: bytes) -> Line | None:
    if not raw.startswith(_PREFIX) or raw[_HASH_END:_BODY_AT] != b'",':
        return None
    try:
        record = orjson.loads(raw)
        return Line(n=record["n"], type=record["type"], payload=record["payload"], sha256=record["sha256"])
    except (orjson.JSONDecodeError, KeyError):
        return None


def _json(record: object) -> bytes:
    """What a target answers may hold lone surrogates or huge integers, which orjson refuses."""
    try:
        return orjson.dumps(record, default=_plain)
    except TypeError:
        return orjson.dumps(_carryable(record))


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def _carryable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case bool() | float() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case Mapping():
            return {_carryable(str(key)): _carryable(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_carryable(item) for item in value]
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _carryable(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return _carryable(str(value))
