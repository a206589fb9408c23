"""Hostile text made safe to show: findings carry what a target answered, byte for byte."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import orjson

# C0 and C1 controls but tab and newline, lone surrogates, the two non-characters that XML 1.0 forbids,
# and the invisible or direction-changing characters that make a line read as another (CVE-2021-42574).
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
# What has a meaning in GitHub's Markdown: mentions, references, formulas and bare addresses included.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>()#|@~&!$^+]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def printable(text: str) -> str:
    """Return `text` with every character that cannot be shown written as its escape (`\\x1b`, `\\ud800`)."""
    return _UNSHOWABLE.sub(_escape, text)


def one_line(text: str, limit: int) -> str:
    """Return `text` printable, on one line, at most `limit` characters."""
    flat = " ".join(printable(text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def markdown(text: str, limit: int = 200) -> str:
    """Return `text` as one line of Markdown that shows exactly these characters and means nothing."""
    return _MARKDOWN.sub(lambda match: f"&#{ord(match[0])};", one_line(text, limit))


def json_bytes(value: object, *, indent: bool = False) -> bytes:
    """Return a record or JSON value as JSON. Strings stay as they are wherever UTF-8 can carry them.

    orjson refuses lone surrogates and integers beyond 64 bits: only then are they written as printable text.
    """
    option = orjson.OPT_INDENT_2 if indent else 0
    try:
        return orjson.dumps(value, option=option, default=_as_dict)
    except TypeError:
        return orjson.dumps(_carryable(value), option=option)


def _as_dict(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a report")


def _carryable(value: Any) -> Any:
    match value:
        case str():
            return printable(value)
        case bool() | float() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else str(value)
        case Mapping():
            return {printable(str(key)): _carryable(item) for key, item in value.items()}
        case list() | tuple():
            return [_carryable(item) for item in value]
        case _:
            return {f.name: _carryable(getattr(value, f.name)) for f in dataclasses.fields(value)}
