"""Is it alive, can it serve, has it started; and for an administrator, why not."""

from __future__ import annotations

import os
import socket

from fastapi import APIRouter, Request, Response

from panotti.routes.answers import answer, encoded
from panotti.rules import ADMIN, PUBLIC, READER, rule
from panotti.schemas import Status, Version
from panotti.services import services_of
from panotti.storage.revisions import newest
from panotti.strictness import StrictRoute

router = APIRouter(route_class=StrictRoute)
OK = b'{"status":"ok"}'
# Process ids repeat over replicas; with the host's name (a container's own) they are one worker's.
HOST = socket.gethostname()
UNAVAILABLE = b'{"status":"unavailable"}'


@router.get("/health", response_model=Status)
@rule(PUBLIC)
async def health() -> Response:
    """The public contract's health answer: the process answers."""
    return encoded(OK)


@router.get("/health/live", response_model=Status)
@rule(PUBLIC)
async def live() -> Response:
    """The process answers. Touches no dependency."""
    return encoded(OK)


@router.get("/health/ready", response_model=Status, responses={503: {"model": Status}})
@rule(PUBLIC)
async def ready(request: Request) -> Response:
    """Every dependency was there at the last look."""
    return encoded(OK) if services_of(request.scope).monitor.ready else encoded(UNAVAILABLE, 503)


@router.get("/health/startup", response_model=Status)
@rule(PUBLIC)
async def startup() -> Response:
    """Start-up is over: nothing is served before."""
    return encoded(OK)


@router.get("/health/detail", response_model=None)
@rule(ADMIN)
async def detail(request: Request) -> Response:
    """This worker's dependencies, thread pool and requests."""
    services = services_of(request.scope)
    pool = services.pool.statistics()
    return answer(
        {
            "status": "ok" if services.monitor.ready else "unavailable",
            "worker": {"pid": os.getpid(), "host": HOST},
            "workers": services.settings.workers,
            "dependencies": {name: status.document() for name, status in services.monitor.statuses.items()},
            "thread_pool": {
                "size": int(pool.total_tokens),
                "busy": pool.borrowed_tokens,
                "waiting": pool.tasks_waiting,
            },
            "in_flight": services.in_flight.count,
        }
    )


@router.get("/version", response_model=Version)
@rule(READER)
async def version(request: Request) -> Response:
    """The release that answers, its source revision, and the newest schema that it knows."""
    settings = services_of(request.scope).settings
    return answer({"version": settings.version, "revision": settings.revision, "schema_revision": newest()})
