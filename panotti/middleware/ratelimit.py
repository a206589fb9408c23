"""Quotas per key and per address, told to the client by the RateLimit fields (draft of 2025)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import IPv6Network
from math import ceil

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from panotti.logs import log
from panotti.middleware.headers import append
from panotti.problems import send_problem
from panotti.ratelimit.counters import Counters, CountersError

Identify = Callable[[Scope], str | None]


def by_address(scope: Scope) -> str:
    """The true client's address; for IPv6 its /64, which is what one customer is given."""
    address: str = scope["state"]["client"]
    return str(IPv6Network((address, 64), strict=False)) if ":" in address else address


def by_key(scope: Scope) -> str | None:
    """The API key that the request rests on, for a browser session its user; None for nobody."""
    principal = scope["state"]["principal"]
    if principal is None:
        return None
    return f"key/{principal.key_id}" if principal.key_id else f"user/{principal.tenant}/{principal.id}"


class RateLimitMiddleware:
    """Lets at most `quota` requests in any `window` seconds through for each caller that `identify` names.

    A refused request does not count. 429 carries Retry-After: the seconds until the oldest counted request
    has left the window. Without its storage it refuses with 503: a lost counter must not lift the limit.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        storage: Counters,
        name: str,
        quota: int,
        window: float,
        identify: Identify,
        exempt: Collection[str] = (),
        vital: Collection[str] = (),
    ) -> None:
        """exempt: paths that are not counted. vital: paths that are served although the storage is lost."""
        self.app = app
        self.storage = storage
        self.quota = quota
        self.window = ceil(window)
        self.prefix = f"{name}/{quota}/{self.window}/"
        self.identify = identify
        self.exempt = frozenset(exempt)
        self.vital = frozenset(vital)
        self.name = f'"{name}"'.encode("ascii")
        self.policy = self.name + b";q=%d;w=%d" % (quota, ceil(window))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = None
        if scope["type"] == "http" and scope["path"] not in self.exempt:
            caller = self.identify(scope)
        if caller is None:
            await self.app(scope, receive, send)
            return
        try:
            key = self.prefix + caller
            passed, used, left = await self.storage.hit(key, self.quota, self.window)
        except CountersError as error:
            log.error("counters_unavailable", cause=str(error))
            if scope["path"] in self.vital:
                await self.app(scope, receive, send)
                return
            detail = "the request counters are unavailable"
            await send_problem(send, scope, 503, "Service Unavailable", detail, [(b"retry-after", b"1")])
            return
        wait = max(1, ceil(left))
        state = self.name + b";r=%d;t=%d" % (max(0, self.quota - used), wait)
        marked = self._marked(send, state)
        if passed:
            await self.app(scope, receive, marked)
        else:
            detail = f"the quota of {self.quota} requests in {self.window} seconds is used up"
            retry = (b"retry-after", b"%d" % wait)
            await send_problem(marked, scope, 429, "Too Many Requests", detail, [retry])

    def _marked(self, send: Send, state: bytes) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                append(headers, b"ratelimit-policy", self.policy)
                append(headers, b"ratelimit", state)
                message["headers"] = headers
            await send(message)

        return marked
