"""From the framework's exceptions to problem documents, without a word of what the client sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from panotti.problems import Problem, problem

MAXIMUM_ERRORS = 20
# Of a field that does not exist the name is the client's text: shown only if it is a plain name.
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _response(request, error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    title = HTTPStatus(error.status_code).phrase
    return _response(request, Problem(error.status_code, title, error.detail, headers))


async def on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [fault(found) for found in error.errors()[:MAXIMUM_ERRORS]]
    return _response(request, Problem(422, "Unprocessable Content", faults))


def fault(found: dict[str, Any]) -> dict[str, Any]:
    """The contract's {type, loc, msg} of one pydantic error: neither input nor context."""
    return {"type": found["type"], "loc": [_place(part) for part in found["loc"]], "msg": found["msg"]}


def _place(part: str | int) -> str | int:
    if isinstance(part, int) or PLAIN_NAME.fullmatch(part):
        return part
    return "(unknown name)"


def _response(request: Request, error: Problem) -> Response:
    request_id = request.scope["state"].get("request_id", "-")
    headers, body = problem(
        error.status, error.title, error.detail, request_id=request_id, headers=error.headers
    )
    response = Response(body, status_code=error.status)
    response.raw_headers = list(headers)
    return response


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    Problem: on_problem,
    HTTPException: on_http_exception,
    RequestValidationError: on_validation_error,
}
