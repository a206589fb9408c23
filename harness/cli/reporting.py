"""The verbs that read: journals, and the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import SUITES, Controls, Journal, Suites
from harness.console import console


def report(
    journal: Journal = "latest",
    format: Annotated[  # noqa: A002 - the option's name
        list[str] | None,
        typer.Option("--format", "-f", metavar="NAME", help="html, json, md, junit or sarif."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: build/reports/latest.")] = None,
) -> None:
    """Write the reports of a journal, from that journal alone.

    Examples:

    - `harness report latest`

    - `harness report build/journals/RUN -f html -f sarif --out public`
    """
    from harness.commands import reporting

    raise typer.Exit(
        reporting.report(reporting.find(journal), format or (), out or reporting.LATEST, console())
    )


def gate(
    journal: Journal = "latest",
    shown: Annotated[int, typer.Option(metavar="N", help="How many reasons to print.")] = 20,
    key: Annotated[
        str,
        typer.Option(metavar="FINGERPRINT", help="Of the key that must have signed it; its run printed it."),
    ] = "",
) -> None:
    """Decide on a journal: 0 open, 1 closed (a required control failed), 2 could not decide.

    Without --key a journal is only as good as the place where it was kept: whoever could write there can have
    signed another one.

    Examples:

    - `harness gate build/journals/RUN`

    - `harness gate build/journals/RUN --key SHA256:mK1eJ0…`
    """
    from harness.commands import reporting

    raise typer.Exit(reporting.gate(reporting.find(journal), console(), shown=shown, key=key))


def costs(journal: Journal = "latest", suites: Suites = SUITES) -> None:
    """Keep what the checks of a journal cost, in suites/costs.lock: later runs take the longest first.

    Examples:

    - `harness costs latest`
    """
    from harness.commands import reporting

    raise typer.Exit(reporting.costs(reporting.find(journal), suites.absolute(), console()))


def catalogue(
    controls: Controls = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON, with requirement and references.")] = False,
    suites: Suites = SUITES,
) -> None:
    """List the controls, with the checks and defects that exist.

    Examples:

    - `harness catalogue`

    - `harness catalogue -c 'security.*' --json`
    """
    from harness.commands import reporting

    raise typer.Exit(reporting.catalogue(suites.absolute(), console(), controls or (), as_json=json))
