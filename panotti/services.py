"""What the routes work with: made once in each worker, after the fork, and closed at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from anyio import CapacityLimiter
from starlette.requests import HTTPConnection
from starlette.types import Scope

from panotti.backends import Backends
from panotti.background import Recurring
from panotti.health import Monitor
from panotti.identity.authenticator import Authenticator
from panotti.identity.bootstrap import Bootstrap
from panotti.identity.digests import Digests
from panotti.identity.origins import Origins
from panotti.identity.passwords import Passwords
from panotti.identity.principal import Principal
from panotti.identity.refresh import RefreshTokens
from panotti.identity.sessions import Sessions
from panotti.identity.tokens import AccessTokens
from panotti.middleware.limits import InFlight
from panotti.secrets import Secrets
from panotti.settings import Settings
from panotti.storage.cleanup import INTERVAL, Cleanup
from panotti.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One worker's database, identities, thread pool and view of its dependencies."""

    settings: Settings
    database: Database
    digests: Digests
    authenticator: Authenticator
    refresh_tokens: RefreshTokens
    sessions: Sessions
    passwords: Passwords
    origins: Origins
    pool: CapacityLimiter
    monitor: Monitor
    in_flight: InFlight


@asynccontextmanager
async def open_services(
    settings: Settings, secrets: Secrets, backends: Backends, in_flight: InFlight
) -> AsyncIterator[Services]:
    """The services of this event loop, with the dependencies asked once."""
    database = backends.store.open()
    digests = Digests(secrets.session_key)
    bootstrap = Bootstrap(digests, secrets.api_key)
    tokens = AccessTokens(
        secrets.token_key,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        ttl=settings.access_token_ttl,
    )
    sessions = Sessions(
        database,
        digests,
        backends.activity(database),
        idle_ttl=settings.session_idle_ttl,
        absolute_ttl=settings.session_absolute_ttl,
    )
    pool = CapacityLimiter(settings.thread_pool_size)
    monitor = _monitor(settings, backends)
    cleanup = Cleanup(
        database, session_ttl=settings.session_absolute_ttl, access_ttl=settings.access_token_ttl
    )
    cleaning = Recurring("cleanup", cleanup.run, interval=INTERVAL)
    async with AsyncExitStack() as closing:
        # Each is closed whatever becomes of the others: a lost database must leave no connection to Redis.
        closing.push_async_callback(backends.counters.aclose)
        closing.push_async_callback(database.close)
        closing.push_async_callback(monitor.stop)
        closing.push_async_callback(cleaning.stop)
        await backends.counters.prepare()
        await monitor.start()
        cleaning.start()
        yield Services(
            settings=settings,
            database=database,
            digests=digests,
            authenticator=Authenticator(database, digests, tokens, sessions, bootstrap),
            refresh_tokens=RefreshTokens(
                database, digests, tokens, bootstrap, ttl=settings.refresh_token_ttl
            ),
            sessions=sessions,
            passwords=Passwords(pool),
            origins=Origins(settings.cors_origins),
            pool=pool,
            monitor=monitor,
            in_flight=in_flight,
        )


def _monitor(settings: Settings, backends: Backends) -> Monitor:
    timeout = settings.dependency_timeout
    probes = {
        "database": backends.store.probe(),
        "counters": backends.counters.probe(timeout),
    }
    return Monitor(probes, timeout=timeout, interval=settings.dependency_interval)


def services_of(scope: Scope) -> Services:
    """The services of the worker that serves this request."""
    services: Services = scope["state"]["services"]
    return services


def use(request: HTTPConnection) -> tuple[Services, Principal]:
    """The services, and the caller that the route's rule let in."""
    caller: Principal = request.scope["state"]["principal"]
    return services_of(request.scope), caller
