"""The application, assembled: routes, their rules, and the middleware in its order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from panotti import __version__
from panotti.backends import Backends, choose
from panotti.failures import HANDLERS
from panotti.middleware.addresses import AddressesMiddleware
from panotti.middleware.authentication import AuthenticationMiddleware
from panotti.middleware.context import ContextMiddleware
from panotti.middleware.cors import CorsMiddleware, PreflightMiddleware
from panotti.middleware.errors import ErrorsMiddleware
from panotti.middleware.hosts import HostsMiddleware
from panotti.middleware.limits import (
    BodyLimitMiddleware,
    ConcurrencyMiddleware,
    InFlight,
    ShareMiddleware,
)
from panotti.middleware.ratelimit import RateLimitMiddleware, by_address, by_key
from panotti.middleware.security_headers import SecurityHeadersMiddleware
from panotti.openapi import describe_api
from panotti.ratelimit.counters import Counters
from panotti.routes import admin, auth, docs, health, recordings
from panotti.rules import RouteTable, route_table
from panotti.secrets import Secrets
from panotti.services import open_services
from panotti.settings import Settings

ROUTERS = (health.router, recordings.router, auth.router, admin.router)
# What an operator looks with must answer when the server is busy, or has lost its counters.
OPEN_PROBES = ("/health", "/health/live", "/health/ready", "/health/startup")
# It takes a credential, so an address that guesses at one is counted there too.
DETAIL = "/health/detail"
PROBES = (*OPEN_PROBES, DETAIL)


class Application(FastAPI):
    """The routes alone. Failures leave it as exceptions, for the errors middleware to log and answer."""

    def build_middleware_stack(self) -> ASGIApp:
        # Starlette's own outermost layer answers an unhandled exception in plain text before it raises it.
        inner = AsyncExitStackMiddleware(self.router)
        return ExceptionMiddleware(inner, handlers=self.exception_handlers)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = describe_api(list(self.routes))
        return self.openapi_schema


def build_app(settings: Settings, secrets: Secrets, *, middleware: bool = True) -> ASGIApp:
    """The whole server as one ASGI application.

    `middleware=False` gives the bare routes, to measure what the middleware costs; whoever calls it sets
    scope["state"]["principal"]. Raises UnruledRouteError when a route does not say who may call it.
    """
    in_flight, backends = InFlight(), choose(settings, secrets)
    counters = backends.counters
    application = build_routes(settings, secrets, backends, in_flight)
    table = route_table(application.routes)
    if not middleware:
        return application
    app: ASGIApp = application
    for layer in reversed(layers(settings, table, counters, in_flight)):
        app = layer(app)
    return app


def build_routes(
    settings: Settings, secrets: Secrets, backends: Backends, in_flight: InFlight
) -> Application:
    """The routes, with the services of their worker opened at its start."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with open_services(settings, secrets, backends, in_flight) as services:
            yield {"services": services}

    application = Application(
        title=docs.TITLE,
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )
    for router in (*ROUTERS, docs.router) if settings.docs else ROUTERS:
        application.include_router(router)
    return application


def layers(
    settings: Settings, table: RouteTable, counters: Counters, in_flight: InFlight
) -> list[partial[Any]]:
    """The middleware, outermost first."""
    return [
        partial(ContextMiddleware, slow_request_ms=settings.slow_request_ms),
        partial(SecurityHeadersMiddleware, docs_paths=docs.PATHS if settings.docs else ()),
        partial(
            CorsMiddleware,
            origins=settings.cors_origins,
            methods=settings.cors_methods,
            headers=settings.cors_headers,
            expose_headers=settings.cors_expose_headers,
            max_age=settings.cors_max_age,
            credentials=settings.cors_credentials,
        ),
        partial(ErrorsMiddleware),
        partial(ConcurrencyMiddleware, limit=settings.max_concurrency, exempt=PROBES, in_flight=in_flight),
        partial(
            AddressesMiddleware,
            trusted_proxies=settings.trusted_proxies,
            allow=settings.ip_allow,
            deny=settings.ip_deny,
        ),
        partial(HostsMiddleware, hosts=settings.public_hosts),
        partial(
            RateLimitMiddleware,
            storage=counters,
            name="address",
            quota=settings.rate_address_quota,
            window=settings.rate_address_window,
            identify=by_address,
            exempt=OPEN_PROBES,
            vital=(DETAIL,),
        ),
        partial(PreflightMiddleware),
        partial(AuthenticationMiddleware, table=table),
        partial(
            RateLimitMiddleware,
            storage=counters,
            name="default",
            quota=settings.rate_key_quota,
            window=settings.rate_key_window,
            identify=by_key,
            exempt=PROBES,
        ),
        partial(ShareMiddleware, concurrency=settings.max_concurrency, exempt=PROBES),
        partial(BodyLimitMiddleware, max_bytes=settings.max_body_bytes, timeout=settings.body_timeout),
    ]
