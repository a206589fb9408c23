"""The command line. A mistake in the configuration is one message and exit status 2, never a traceback."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import orjson
import typer

from panotti import configuration
from panotti.errors import StartError
from panotti.settings import Settings
from panotti.storage.phases import Phase

app = typer.Typer(
    help="The reference PanottiServer.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared with, not bound


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except StartError as error:
        typer.echo(f"panotti {error}", err=True)
        raise typer.Exit(2) from None


@app.command()
def serve() -> None:
    """Checks the configuration, migrates the database and serves until SIGTERM."""
    with _refusals():
        settings, secrets = configuration.load()
        # Imported here: a refusal, and `healthcheck` every few seconds, need none of it.
        from panotti.supervisor import serve as run

        if "api_key" in secrets.generated:
            typer.echo(f"API key of this start (none was configured): {secrets.api_key}", err=True)
        status = run(settings, secrets)
    raise typer.Exit(status)


@app.command()
def migrate(
    phase: Annotated[Phase, typer.Option(help="contract: also what ends the release before.")] = Phase.EXPAND,
) -> None:
    """Brings the database to this release's schema: what the release before it can serve on too."""
    with _refusals():
        settings, password = configuration.load_for_migration()
        from panotti.backends import choose_store
        from panotti.storage.migrate import migrate as run

        done = run(choose_store(settings, password), phase)
    typer.echo(f"schema {done.after} (before: {done.before or 'none'})")


@app.command()
def schema() -> None:
    """Prints the newest revision of the schema that this release knows. Needs no configuration."""
    from panotti.storage.migrate import newest

    typer.echo(newest())


@app.command()
def describe() -> None:
    """Prints what this configuration would run, as JSON, without its secrets."""
    from panotti.describe import describe as document

    with _refusals():
        _print(document(*configuration.load()))


@app.command()
def openapi() -> None:
    """Prints the API description, whether or not it is served."""
    from panotti.describe import routes

    with _refusals():
        _print(routes(*configuration.load()).openapi())


@app.command()
def healthcheck() -> None:
    """Exit status 0 while the server on this machine is alive, else 1."""
    with _refusals():
        settings = configuration.load_settings()
    try:
        status = _live(settings)
    except (OSError, http.client.HTTPException) as error:
        typer.echo(f"panotti does not answer: {error}", err=True)
        raise typer.Exit(1) from None
    if status != http.HTTPStatus.OK:
        typer.echo(f"panotti answers {status}", err=True)
        raise typer.Exit(1)


def _live(settings: Settings) -> int:
    host = ANY_ADDRESS.get(settings.api_host, settings.api_host)
    timeout = settings.dependency_timeout
    connection: http.client.HTTPConnection
    if settings.tls:
        # It asks the process in its own container; the name in the certificate is for clients.
        context = ssl._create_unverified_context()  # noqa: S323, SLF001
        connection = http.client.HTTPSConnection(host, settings.api_port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, settings.api_port, timeout=timeout)
    try:
        names = {"Host": settings.public_hosts[0]} if settings.public_hosts else {}
        connection.request("GET", "/health/live", headers=names)
        return connection.getresponse().status
    finally:
        connection.close()


def _print(document: object) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
