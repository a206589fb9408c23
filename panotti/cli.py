"""The command line. A mistake in the configuration is one message and exit status 2, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import orjson
import typer

from panotti import configuration
from panotti.errors import StartError
from panotti.storage.phases import Phase

app = typer.Typer(
    help="The reference PanottiServer.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


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
        # Imported here: a refusal needs none of it.
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
    from panotti.storage.revisions import newest

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


def _print(document: object) -> None:
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
