"""The server, started: checked, its dependencies awaited, migrated, then handed to its processes."""

from __future__ import annotations

from panotti import logs
from panotti.app import build_app
from panotti.backends import choose
from panotti.processes import Supervisor
from panotti.secrets import Secrets
from panotti.settings import PRECEDENCE, Settings
from panotti.startup import await_dependencies
from panotti.storage.migrate import migrate
from panotti.tls import server_context


def serve(settings: Settings, secrets: Secrets) -> int:
    """Run the server until SIGTERM or SIGINT; the exit status.

    Raises StartError for what prevents it: the certificate, a port, a database or Redis server that is wrong
    or does not come, a schema that this release cannot serve on, a route without a rule.
    """
    logs.configure(settings.log_level)
    logs.log.debug("configured", profile=str(settings.profile), precedence=list(PRECEDENCE))
    context = None
    if settings.tls_cert_file and settings.tls_key_file:
        context = server_context(settings.tls_cert_file, settings.tls_key_file)
    app = build_app(settings, secrets)
    backends = choose(settings, secrets)
    await_dependencies(settings, backends)
    migrate(backends.store)
    return Supervisor(app, settings, context).run()
