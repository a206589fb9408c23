"""Does a secret stand in a text, in whatever spelling a careless writer would give it?"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, quote_plus

_HALVED: Final = 32  # characters from which on half of a secret is a leak of its own


def leaks(text: str, secrets: Mapping[str, str]) -> list[str]:
    """Return which of `secrets` (by name) stand in `text`, and in which spelling; never the secret itself.

    Letter case counts for nothing, since header dumps and log pipelines change it.
    """
    folded = text.lower()
    return [
        f"{name} ({spelling})"
        for name, value in secrets.items()
        if (spelling := next((how for how, form in _spellings(value) if form.lower() in folded), None))
    ]


def _spellings(value: str) -> Iterator[tuple[str, str]]:
    """Every form of `value` with the name of that form."""
    raw = value.encode()
    yield "as it is", value
    yield "URL-encoded", quote(value, safe="")
    yield "URL-encoded", quote_plus(value)
    yield "in JSON", json.dumps(value)[1:-1]
    yield "in hexadecimal", raw.hex()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            yield "in Base64", _amid(encode(b"\0" * before + raw).decode(), before, len(raw))
    if len(value) >= _HALVED:
        yield "its first half", value[: len(value) // 2]
        yield "its second half", value[len(value) // 2 :]


def _amid(encoded: str, before: int, length: int) -> str:
    """The characters of a Base64 text that do not depend on what stands before and behind the value."""
    first = -(-before * 8 // 6)
    last = (before + length) * 8 // 6
    return encoded[first:last]
