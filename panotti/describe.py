"""What this configuration would run: for a reader, and for comparing two deployments. Never a secret."""

from __future__ import annotations

from typing import Any

from panotti import configuration
from panotti.app import Application, build_routes, layers
from panotti.backends import choose
from panotti.middleware.limits import InFlight
from panotti.rules import route_table
from panotti.secrets import NAMES, Secrets
from panotti.settings import PRECEDENCE, Settings
from panotti.storage.revisions import newest

MASK = "[secret]"


def describe(settings: Settings, secrets: Secrets) -> dict[str, Any]:
    """Versions, profile, backends, middleware (outermost first), rules of routes, settings, their sources."""
    application = routes(settings, secrets)
    table = route_table(application.routes)
    backends = choose(settings, secrets)
    counters = backends.counters
    return {
        "version": settings.version,
        "revision": settings.revision,
        "schema_revision": newest(),
        "profile": str(settings.profile),
        "backends": backends.document(),
        "middleware": [layer.func.__name__ for layer in layers(settings, table, counters, InFlight())],
        "routes": [
            {"method": method, "path": route.path, "rule": rule.label}
            for route in table
            for method, rule in sorted(route.methods.items())
        ],
        "settings": {**settings.model_dump(mode="json"), **dict.fromkeys(NAMES, MASK)},
        "precedence": list(PRECEDENCE),
        "sources": {**configuration.sources(), **secrets.sources},
    }


def routes(settings: Settings, secrets: Secrets) -> Application:
    """The application's routes, not to be served."""
    return build_routes(settings, secrets, choose(settings, secrets), InFlight())
