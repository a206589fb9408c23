"""The `harness` program: its verbs, thin over the library, and its exit statuses."""

from __future__ import annotations

import io
import sys

import typer

from harness.cli import deployments, releases, reporting, unexpected, verifying
from harness.errors import HarnessError

app = typer.Typer(
    name="harness",
    help="A deployment of PanottiServer goes in, a verdict that can be trusted comes out.",
    epilog="Exit status: 0 open (or done), 1 closed (something failed), 2 could not decide (or a mistake).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for verb in (
    deployments.doctor,
    deployments.prepare,
    deployments.up,
    deployments.down,
    deployments.compose,
    verifying.verify,
    verifying.load,
    verifying.fuzz,
    verifying.selftest,
    reporting.report,
    reporting.gate,
    reporting.costs,
    reporting.catalogue,
    releases.release,
    releases.rollback,
):
    app.command()(verb)


def main() -> None:
    """Run the program; what the user can put right is one message and status 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a console in ASCII cannot show everything
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except HarnessError as error:
        sys.stderr.write(f"harness: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("harness: interrupted\n")
        sys.exit(2)
    except Exception as error:
        sys.stderr.write(f"harness: {unexpected.told(error)}\n")
        sys.exit(2)
