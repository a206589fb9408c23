"""One worker process: its listeners, its signals, its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import uvicorn
import uvloop
from starlette.types import ASGIApp

from panotti.logs import log
from panotti.protocol import Guard, GuardedProtocol
from panotti.redirect import build_redirect
from panotti.settings import Settings
from panotti.tls import replace_certificate

# A killed straggler loses its requests; workers give up this long (seconds) before the supervisor does.
HEAD_START = 0.5
TLS_SHUTDOWN_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """The bound sockets that all workers share, and the pipe that ends with the supervisor."""

    main: socket.socket
    redirect: socket.socket | None = None
    lifeline: int | None = None


class Listener(uvicorn.Server):
    """A uvicorn server that leaves the signals to the worker and bounds the TLS handshake."""

    def __init__(self, config: uvicorn.Config, *, context: ssl.SSLContext | None, handshake: float) -> None:
        super().__init__(config)
        self.context = context
        self.handshake = handshake

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again at the end: the process would end by it and not with 0.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            raise SystemExit(uvicorn.config.STARTUP_FAILURE)
        loop = asyncio.get_running_loop()
        connection = partial(
            self.config.http_protocol_class,  # type: ignore[call-arg]
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self.servers = [
            await loop.create_server(
                connection,
                sock=sock,
                ssl=self.context,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self.handshake if self.context else None,
                ssl_shutdown_timeout=TLS_SHUTDOWN_TIMEOUT if self.context else None,
            )
            for sock in sockets or ()
        ]
        self.started = True


def run_worker(app: ASGIApp, settings: Settings, sockets: Sockets, ssl_context: ssl.SSLContext | None) -> int:
    """Serve until SIGTERM, or until the supervisor is gone; the exit status of the process.

    Called with SIGTERM and SIGHUP blocked; they are let in when their handlers stand.
    """
    with asyncio.Runner(debug=settings.debug or None, loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(app, settings, sockets, ssl_context))


async def _serve(app: ASGIApp, settings: Settings, sockets: Sockets, context: ssl.SSLContext | None) -> int:
    listeners = [(_listener(app, settings, context, lifespan="on"), sockets.main)]
    if sockets.redirect is not None:
        redirect = build_redirect(
            port=settings.api_port, hosts=settings.public_hosts, slow_request_ms=settings.slow_request_ms
        )
        listeners.append((_listener(redirect, settings, None, lifespan="off"), sockets.redirect))

    def stop() -> None:
        for server, _ in listeners:
            server.should_exit = True

    _handle_signals(stop, settings, context, sockets.lifeline)
    async with asyncio.TaskGroup() as group:
        for server, sock in listeners:
            group.create_task(server.serve(sockets=[sock]))
    return 0


def _listener(app: ASGIApp, settings: Settings, context: ssl.SSLContext | None, *, lifespan: str) -> Listener:
    guard = Guard(header_timeout=settings.header_timeout, max_header_bytes=settings.max_header_bytes)
    config = uvicorn.Config(
        app,
        http=partial(GuardedProtocol, guard=guard),  # type: ignore[arg-type]
        ws="none",
        lifespan=lifespan,  # type: ignore[arg-type]
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=settings.backlog,
        timeout_keep_alive=settings.keepalive_timeout,  # type: ignore[arg-type]
        timeout_graceful_shutdown=max(0.1, settings.shutdown_grace - HEAD_START),  # type: ignore[arg-type]
        reset_contextvars=True,
    )
    return Listener(config, context=context, handshake=settings.header_timeout)


def _handle_signals(
    stop: Callable[[], None], settings: Settings, context: ssl.SSLContext | None, lifeline: int | None
) -> None:
    loop = asyncio.get_running_loop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGHUP, _reload, settings, context)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if lifeline is not None:
        loop.add_reader(lifeline, stop)


def _reload(settings: Settings, context: ssl.SSLContext | None) -> None:
    if context is None or settings.tls_cert_file is None or settings.tls_key_file is None:
        return
    try:
        replace_certificate(context, settings.tls_cert_file, settings.tls_key_file)
    except OSError as error:
        log.error("certificate_refused", worker=os.getpid(), cause=str(error))
    else:
        log.info("certificate_replaced", worker=os.getpid())
