"""JSON bodies read strictly: what one parser takes and another refuses never gets in (RFC 8259, RFC 7493)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

MAXIMUM_DEPTH = 32
INT64 = range(-(2**63), 2**63)
# C0 without tab, line feed and carriage return; DEL and C1; lone surrogates.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class RefusedBodyError(ValueError):
    """The body is not JSON that may be looked at. The message says why and repeats nothing of it."""


def parse(body: bytes) -> Any:
    """The value that `body` stands for.

    Raises RefusedBodyError for bad UTF-8, malformed JSON, NaN and infinities, integers over 64 bits, names
    given twice, nesting over MAXIMUM_DEPTH, control characters and lone surrogates.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise RefusedBodyError("not valid UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise RefusedBodyError(f"not valid JSON: {error.msg} at position {error.pos}") from None
    except RecursionError:
        raise RefusedBodyError(f"nested deeper than {MAXIMUM_DEPTH}") from None
    # Without an escape there can be no forbidden character, and without brackets no depth.
    if "\\" in text or FORBIDDEN.search(text) or text.count("[") + text.count("{") > MAXIMUM_DEPTH:
        _inspect(value)
    return value


def _inspect(value: Any) -> None:
    level = [value]
    for _ in range(MAXIMUM_DEPTH + 1):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _inspect_text(item)
            elif isinstance(item, dict):
                deeper += item.keys()
                deeper += item.values()
            elif isinstance(item, list):
                deeper += item
        if not deeper:
            return
        level = deeper
    if any(isinstance(item, dict | list) for item in level):
        raise RefusedBodyError(f"nested deeper than {MAXIMUM_DEPTH}")


def _inspect_text(text: str) -> None:
    if FORBIDDEN.search(text):
        raise RefusedBodyError("a string holds a control character or a lone surrogate")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusedBodyError("a name is given twice in one object")
    return found


def _integer(text: str) -> int:
    # Twenty characters hold every 64-bit integer; int() of a longer text costs quadratic time.
    if len(text) > 20 or int(text) not in INT64:
        raise RefusedBodyError("an integer does not fit in 64 bits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise RefusedBodyError("a number is not finite")
    return value


def _constant(_text: str) -> float:
    raise RefusedBodyError("a number is not finite")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


class StrictRequest(Request):
    """A request whose JSON is read by `parse`."""

    async def json(self) -> Any:
        try:
            return parse(await self.body())
        except RefusedBodyError as error:
            # FastAPI passes an HTTPException on, and blurs any other error into a 400.
            raise HTTPException(422, [{"type": "json_invalid", "loc": ["body"], "msg": str(error)}]) from None


class StrictRoute(APIRoute):
    """A route that takes JSON and nothing that merely looks like it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            if takes_body and not _is_json(request.headers.getlist("content-type")):
                raise HTTPException(415, "The content type must be application/json.")
            return await handler(StrictRequest(request.scope, request.receive))

        return strict


def _is_json(values: list[str]) -> bool:
    if values == ["application/json"]:
        return True
    if len(values) != 1:
        return False
    message = Message()
    message["content-type"] = values[0]
    charset = str(message.get_param("charset", "utf-8")).lower()
    return message.get_content_type() == "application/json" and charset in ("utf-8", "utf8")
