"""The server, started: checked, migrated, then handed to its processes."""

from __future__ import annotations

from panotti import logs
from panotti.app import build_app
from panotti.processes import Supervisor
from panotti.secrets import Secrets
from panotti.settings import PRECEDENCE, Settings
from panotti.storage.migrate import migrate
from panotti.tls import server_context


def serve(settings: Settings, secrets: Secrets) -> int:
    """Run the server until SIGTERM or SIGINT; the exit status.

    Raises StartError for what prevents it: the certificate, a port, the database, a route without a rule.
    """
    logs.configure(settings.log_level)
    logs.log.debug("configured", profile=str(settings.profile), precedence=list(PRECEDENCE))
    context = None
    if settings.tls_cert_file and settings.tls_key_file:
        context = server_context(settings.tls_cert_file, settings.tls_key_file)
    app = build_app(settings, secrets)
    migrate(settings.database_file)
    return Supervisor(app, settings, context).run()
