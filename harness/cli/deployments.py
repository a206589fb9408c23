"""The verbs that look at this machine, and bring deployments up to poke at."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.arguments import Contract, Runtime, Target
from harness.console import console
from harness.options import options_of


def doctor() -> None:
    """Say what this machine can do, what that opens, and what to do about the rest.

    Examples:

    - `harness doctor`
    """
    from harness.commands.doctor import doctor as run

    raise typer.Exit(run(console()))


def prepare(runtime: Runtime = None, target: Target = "reference", contract: Contract = None) -> None:
    """Make what every deployment starts from, where it is missing: images, or packages without Docker.

    Every verb that brings something up does so by itself. This one does nothing else: where images cannot be
    made, it says so before any check is tried.

    Examples:

    - `harness prepare`

    - `harness prepare --target source:FOLDER --contract FILE`
    """
    from harness.commands.keeping import prepare as run

    options = options_of(runtime=runtime, target=target, contract=contract)
    raise typer.Exit(run(options, console()))


def up(
    profile: Annotated[
        str, typer.Argument(help="development, testing, staging or production.")
    ] = "production",
    runtime: Runtime = None,
    target: Target = "reference",
    contract: Contract = None,
) -> None:
    """Bring a deployment up and leave it there, to poke at. `harness down` removes it.

    Prints its URLs and its credentials, made for it, once.

    Examples:

    - `harness up production`

    - `harness up testing --runtime process`
    """
    from harness.commands.keeping import up as run

    options = options_of(profiles=[profile], runtime=runtime, target=target, contract=contract)
    raise typer.Exit(run(options, console()))


def down(
    run_id: Annotated[str | None, typer.Argument(metavar="RUN", help="Only this one. Default: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove what `harness up` left.

    Examples:

    - `harness down`

    - `harness down --dry-run`
    """
    from harness.commands.keeping import down as run

    raise typer.Exit(run(run_id, console(), dry_run=dry_run))


def compose(contract: Contract = None) -> None:
    """Prepare what `docker-compose -f deploy/compose.yaml up` needs: images, secrets, certificates.

    They stand in build/compose. Secrets that are there already stay, as they belong to the data.

    Examples:

    - `harness compose && docker-compose -f deploy/compose.yaml up --detach`
    """
    from harness.commands.composing import compose as run

    options = options_of(profiles=["production"], runtime="containers", contract=contract)
    raise typer.Exit(run(options, console()))
