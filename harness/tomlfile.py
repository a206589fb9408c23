"""Where TOML enters: a file becomes records, or one message with the file, every wrong key, and the remedy.

Records are frozen standard dataclasses. Those that inherit `Closed` refuse keys that they do not know, since
a misspelt key that is ignored would silently switch a rule off.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import typing
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.errors import UserError

T = TypeVar("T")
_SHOWN = 60  # characters of a wrong value that a message repeats


class Closed:
    """Base of records read from a file: an unknown key is an error."""

    __slots__ = ()
    __pydantic_config__ = ConfigDict(extra="forbid")


def read_toml(path: Path, *, error: type[UserError] = UserError) -> dict[str, Any]:
    """Return the tables of a TOML file. Raises `error` when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise error(
            f"{path}: {cause.strerror or cause}", remedy="Give the path of a readable file."
        ) from None
    except UnicodeDecodeError as cause:
        raise error(f"{path}: not UTF-8 text: {cause.reason}", remedy="Save the file as UTF-8.") from None
    except tomllib.TOMLDecodeError as cause:
        raise error(f"{path}: not TOML: {cause}", remedy="Correct the file at the place named.") from None
    except RecursionError:
        raise error(f"{path}: nested too deeply", remedy="No file of the harness nests that deep.") from None


def to_record(
    record: type[T],
    tables: object,
    *,
    source: Path | str,
    remedy: str,
    error: type[UserError] = UserError,
) -> T:
    """Return `tables` as a `record`. Raises `error` with one line for every wrong key."""
    try:
        found: T = _adapter(cast("Hashable", record)).validate_python(tables)
    except ValidationError as refusal:
        wrong = "\n".join(f"  {_describe(record, item)}" for item in refusal.errors(include_url=False))
        raise error(f"{source}:\n{wrong}", remedy=remedy) from None
    return found


def nearest(word: str, known: Iterable[str]) -> str:
    """Say which of `known` is meant by `word`, or list what is known: the end of an error message."""
    candidates = sorted(known)
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(candidates)}"


@cache
def _adapter(record: Any) -> TypeAdapter[Any]:
    return TypeAdapter(record)


def _describe(record: type[object], item: Mapping[str, Any]) -> str:
    location: tuple[str | int, ...] = item["loc"]
    key = ".".join(str(part) for part in location) or "the file"
    match item["type"]:
        case "unexpected_keyword_argument":
            return f"{key}: unknown key; {nearest(str(location[-1]), _keys_at(record, location[:-1]))}"
        case "missing" | "missing_keyword_only_argument":
            return f"{key}: missing"
        case "value_error":
            return f"{key}: {item['ctx']['error']}"
        case _:
            return f"{key}: {str(item['msg']).replace('Input should', 'should')}, not {_shown(item['input'])}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _keys_at(record: object, location: tuple[str | int, ...]) -> list[str]:
    """Names of the fields of the record that stands at `location` below `record`."""
    for part in location:
        record = _below(record, part)
    return [f.name for f in dataclasses.fields(record)] if _is_record(record) else []


def _below(record: object, part: str | int) -> object:
    if _is_record(record) and isinstance(part, str):
        return typing.get_type_hints(record).get(part)
    inner = [argument for argument in typing.get_args(record) if argument is not ...]
    return inner[-1] if inner else None


def _is_record(record: object) -> typing.TypeGuard[type[Any]]:
    return isinstance(record, type) and dataclasses.is_dataclass(record)
