"""Answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

from panotti import clock


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`document` as JSON."""
    # The names in SQLAlchemy's rows are a subclass of str, which orjson otherwise refuses as keys.
    return encoded(orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS), status, headers)


def encoded(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body`, which is JSON already."""
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def time_text(seconds: float | None) -> str | None:
    """RFC 3339 of seconds since the epoch."""
    return None if seconds is None else clock.form(datetime.fromtimestamp(seconds, UTC))
