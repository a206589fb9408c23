"""A client for an application in this process, for tests that are written without await."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ORIGIN = "https://panotti.test"


class Client:
    """Sends requests to the application and returns the answers."""

    def __init__(self, portal: BlockingPortal, http: httpx.AsyncClient) -> None:
        self._portal = portal
        self._http = http

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        # Every test says which cookies it sends.
        self._http.cookies.clear()
        return self._portal.call(partial(self._http.request, method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> httpx.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> httpx.Response:
        return self.request("DELETE", path, **options)

    def together(self, requests: list[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """All requests at once; the answers in the same order."""

        async def send() -> list[httpx.Response]:
            return await asyncio.gather(
                *(self._http.request(method, path, **options) for method, path, options in requests)
            )

        return self._portal.call(send)


@contextmanager
def running(app: ASGIApp) -> Iterator[Client]:
    """The application started, in an event loop of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(_started(app)) as http:
        yield Client(portal, http)


@asynccontextmanager
async def _started(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    state: dict[str, Any] = {}
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": state}
    lifespan = asyncio.create_task(app(scope, inbox.get, outbox.put))  # type: ignore[arg-type]
    await inbox.put({"type": "lifespan.startup"})
    reply = await outbox.get()
    assert reply["type"] == "lifespan.startup.complete", reply

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": dict(state)}, receive, send)

    transport = httpx.ASGITransport(app=with_state, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        yield http
    await inbox.put({"type": "lifespan.shutdown"})
    await lifespan
