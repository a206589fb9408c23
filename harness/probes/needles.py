"""The forms in which a secret turns up where it must not: as it is, encoded, part of something encoded."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

_LEAST: Final = 8  # characters; a shorter value occurs by chance
_LINE: Final = 32  # characters of a PEM line that is long enough to be told from another key's

Needles = Mapping[str, tuple[bytes, ...]]


def needles(secrets: Mapping[str, str]) -> Needles:
    """Return every spelling of each secret, by its name; values too short to be searched for are left out."""
    return {name: spellings(value) for name, value in secrets.items() if len(value.strip()) >= _LEAST}


def spellings(value: str) -> tuple[bytes, ...]:
    """Return `value` raw, URL-encoded, JSON-escaped, hexadecimal, and in Base64 wherever it may begin.

    Of a PEM key also its lines, as they are and decoded, but for the last one: there the public part stands.
    """
    value = value.strip()
    found = list(_forms(value))
    for line in value.splitlines()[1:-2]:
        if len(line) >= _LINE:
            found += [line.encode(), *_decoded(line)]
    return tuple(dict.fromkeys(found))


def named_in(content: bytes, wanted: Needles) -> list[str]:
    """Return the names of the secrets of which `content` holds a spelling."""
    return [name for name, forms in wanted.items() if any(form in content for form in forms)]


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    for text in (quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]):
        yield text.encode()
    yield raw.hex().encode()
    yield from _base64(raw)


def _base64(raw: bytes) -> Iterable[bytes]:
    """Base64 of `raw` at each of the three places in a group where it may begin, without what its neighbours
    decide."""
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        padded = bytes(before) + raw
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(padded)[first:last]


def _decoded(line: str) -> Iterable[bytes]:
    try:
        return (base64.b64decode(line, validate=True),)
    except (binascii.Error, ValueError):
        return ()
