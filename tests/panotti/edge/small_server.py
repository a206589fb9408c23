"""A small application behind the server's whole edge, run in processes of its own: see nursery.py."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from panotti import logs
from panotti.identity.principal import Principal, Role
from panotti.middleware.addresses import AddressesMiddleware
from panotti.middleware.context import ContextMiddleware
from panotti.middleware.cors import CorsMiddleware, PreflightMiddleware
from panotti.middleware.errors import ErrorsMiddleware
from panotti.middleware.hosts import HostsMiddleware
from panotti.middleware.limits import BodyLimitMiddleware, ConcurrencyMiddleware, ShareMiddleware
from panotti.middleware.ratelimit import RateLimitMiddleware, by_address, by_key
from panotti.middleware.security_headers import SecurityHeadersMiddleware
from panotti.problems import Problem
from panotti.processes import Supervisor
from panotti.ratelimit.storage import SQLiteStorage
from panotti.settings import Settings
from panotti.tls import server_context

EXEMPT = frozenset({"/health/live"})


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Routes that show what the edge does with them."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    scope["state"]["route"] = scope["path"]
    await ROUTES.get(scope["path"], tell)(scope, receive, send)


async def tell(scope: Scope, receive: Receive, send: Send) -> None:
    """What reached the application."""
    message = await receive()
    answer = {
        "pid": os.getpid(),
        "length": len(message.get("body", b"")),
        "client": scope["state"]["client"],
        "scheme": scope["scheme"],
    }
    body = orjson.dumps(answer)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def gate(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers once the file GATE exists."""
    logs.log.info("at_the_gate")
    while not Path(os.environ["GATE"]).exists():
        await asyncio.sleep(0.005)
    await tell(scope, receive, send)


async def boom(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("the secret is eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl")


async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("broken off")


async def refuse(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(409, "Conflict", "taken", [(b"x-extra", b"1")])


ROUTES = {"/gate": gate, "/boom": boom, "/half": half, "/refuse": refuse}


async def lifespan(receive: Receive, send: Send) -> None:
    """Starts, or fails to when FAIL_START says so."""
    await receive()
    if "FAIL_START" in os.environ:
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


class Identify:
    """Stands for the authentication: the header names the key."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope["headers"]).get(b"x-test-key") if scope["type"] == "http" else None
        if key:
            scope["state"]["principal"] = Principal(
                id="device", tenant="t", role=Role.WRITER, key_id=key.decode()
            )
        await self.app(scope, receive, send)


def build(settings: Settings) -> ASGIApp:
    storage = SQLiteStorage(settings.counters_dir)
    app: ASGIApp = BodyLimitMiddleware(
        application, max_bytes=settings.max_body_bytes, timeout=settings.body_timeout
    )
    app = RateLimitMiddleware(
        ShareMiddleware(app, concurrency=settings.max_concurrency, exempt=EXEMPT),
        storage=storage,
        name="default",
        quota=settings.rate_key_quota,
        window=settings.rate_key_window,
        identify=by_key,
    )
    app = RateLimitMiddleware(
        PreflightMiddleware(Identify(app)),
        storage=storage,
        name="address",
        quota=settings.rate_address_quota,
        window=settings.rate_address_window,
        identify=by_address,
        exempt=EXEMPT,
        vital=("/operator",),
    )
    app = HostsMiddleware(app, hosts=settings.public_hosts)
    app = AddressesMiddleware(
        app, trusted_proxies=settings.trusted_proxies, allow=settings.ip_allow, deny=settings.ip_deny
    )
    app = ConcurrencyMiddleware(app, limit=settings.max_concurrency, exempt=EXEMPT)
    app = CorsMiddleware(
        ErrorsMiddleware(app),
        origins=settings.cors_origins,
        methods=settings.cors_methods,
        headers=settings.cors_headers,
        expose_headers=settings.cors_expose_headers,
        max_age=settings.cors_max_age,
        credentials=settings.cors_credentials,
    )
    return ContextMiddleware(SecurityHeadersMiddleware(app), slow_request_ms=settings.slow_request_ms)


def main() -> int:
    settings = Settings()
    logs.configure(settings.log_level)
    context = None
    if settings.tls_cert_file and settings.tls_key_file:
        context = server_context(settings.tls_cert_file, settings.tls_key_file)
    return Supervisor(build(settings), settings, context).run()


def nursery() -> None:
    """Fork a server for every line of JSON, and answer its process id once it has lost its parent."""
    for line in sys.stdin:
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            server = os.fork()
            if server == 0:
                become(orjson.loads(line))
            os.write(writer, str(server).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(between, 0)
        with os.fdopen(reader) as told:
            sys.stdout.write(f"{told.read()}\n")
        sys.stdout.flush()


def become(order: dict[str, Any]) -> NoReturn:
    """Be the server that was ordered, and end with its status."""
    status = 1
    try:
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["directory"])
        nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(order["log"], os.O_WRONLY | os.O_CREAT)
        for descriptor, file in enumerate((nothing, log, log)):
            os.dup2(file, descriptor)
        os.closerange(3, 64)
        status = main()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    nursery() if "--nursery" in sys.argv else sys.exit(main())
