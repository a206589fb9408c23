"""Problem documents (RFC 9457): the one shape of every error answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from starlette.types import Scope, Send

Header = tuple[bytes, bytes]
Detail = str | list[dict[str, Any]] | None

MEDIA_TYPE = b"application/problem+json"


class Problem(Exception):
    """An error answer, raised anywhere under the errors middleware.

    `headers` are added to the answer as they stand (lower-case names, bytes).
    """

    def __init__(
        self, status: int, title: str, detail: Detail = None, headers: Iterable[Header] = ()
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = tuple(headers)


def problem(
    status: int, title: str, detail: Detail = None, *, request_id: str, headers: Iterable[Header] = ()
) -> tuple[list[Header], bytes]:
    """Headers and body of a problem document.

    `detail` is never absent, because the public contract promises a `detail` member on a refusal;
    for 422 it is the contract's list of `{type, loc, msg}`.
    """
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": title if detail is None else detail,
            "request_id": request_id,
        }
    )
    length = str(len(body)).encode("ascii")
    return [(b"content-type", MEDIA_TYPE), (b"content-length", length), *headers], body


async def send_problem(
    send: Send, scope: Scope, status: int, title: str, detail: Detail = None, headers: Iterable[Header] = ()
) -> None:
    """Answer the request of `scope` with a problem document."""
    request_id = scope["state"]["request_id"]
    fields, body = problem(status, title, detail, request_id=request_id, headers=headers)
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})
