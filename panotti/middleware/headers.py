"""Raw header lists, as ASGI carries them."""

from __future__ import annotations

from starlette.types import Scope

from panotti.problems import Header


def values(scope: Scope, name: bytes) -> list[bytes]:
    """Every value of the request header `name` (lower case), in the order received."""
    return [value for key, value in scope["headers"] if key == name]


def append(headers: list[Header], name: bytes, value: bytes) -> None:
    """Add `value` to the list-valued response header `name`, joining the one that is there."""
    for index, (key, present) in enumerate(headers):
        if key == name:
            headers[index] = (name, present + b", " + value)
            return
    headers.append((name, value))
