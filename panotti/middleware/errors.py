"""Exceptions become problem documents; what nobody expected is logged once and shown to nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panotti.logs import log
from panotti.problems import Problem, send_problem

Translate = Callable[[Exception], Problem | None]


async def propagate(_request: Request, exception: Exception) -> NoReturn:
    """The framework's handler of last resort: leave the exception to ErrorsMiddleware.

    Starlette's own answers 500 in plain text before it lets the exception through.
    """
    raise exception


class ErrorsMiddleware:
    """Answers a raised Problem as its document and any other exception as an opaque 500.

    `translate` names the expected failures of what lies beneath, such as a full disk or a locked database.
    """

    def __init__(self, app: ASGIApp, *, translate: Translate | None = None) -> None:
        self.app = app
        self.translate = translate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as exception:
            found = self._problem(exception)
            # After the first byte nothing can be said any more: returning makes uvicorn break the connection.
            if not started:
                await send_problem(send, scope, found.status, found.title, found.detail, found.headers)

    def _problem(self, exception: Exception) -> Problem:
        if isinstance(exception, Problem):
            return exception
        known = self.translate(exception) if self.translate else None
        if known is not None:
            log.error("failure", status=known.status, cause=str(exception))
            return known
        log.error("exception", exc_info=exception)
        return Problem(500, "Internal Server Error")
