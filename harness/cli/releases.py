"""The verbs of the `harness` program that put releases into service, and return to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import Contract, PolicyFile, Target
from harness.console import console
from harness.errors import UserError
from harness.options import options_of

Profile = Annotated[str, typer.Option("--profile", "-p", metavar="NAME", help="Of what `harness up` left.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only check, and say what would be done.")]


def release(
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Its name from now on.")] = None,
    image: Annotated[
        str | None, typer.Option(metavar="NAME", help="A tag or an id; kept by its id. Default: built anew.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its settings. Default: the profile's own.")
    ] = None,
    contract_schema: Annotated[
        bool, typer.Option("--contract-schema", help="Afterwards drop what only older releases use.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only bring to an end what was interrupted.")
    ] = False,
    dry_run: DryRun = False,
    profile: Profile = "production",
    target: Target = "reference",
    contract: Contract = None,
    policy: PolicyFile = None,
) -> None:
    """Put a release into service beside the one that serves; go back by itself where it does badly.

    It starts, is verified before any client meets it, switched to in one moment, and watched. The one before
    stays warm. Exit status 0: it serves; 1: it was not taken; 2: it cannot be tried.

    Examples:

    - `harness up production && harness release 1.1.0`

    - `harness release 1.2.0 --image panotti:candidate --config candidate.toml --dry-run`

    - `harness release --resume`
    """
    from harness.commands.releasing import release as run

    if (version is None) != resume:
        raise UserError(
            "a release needs a VERSION" if version is None else "--resume takes no VERSION",
            remedy="harness release 1.1.0, or: harness release --resume",
        )
    options = options_of(profiles=[profile], target=target, contract=contract, policy=policy)
    status = run(
        version,
        options,
        console(),
        image=image,
        configuration=config,
        contract=contract_schema,
        dry_run=dry_run,
    )
    raise typer.Exit(status)


def rollback(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Default: the one that served before.")
    ] = None,
    dry_run: DryRun = False,
    profile: Profile = "production",
    target: Target = "reference",
    contract: Contract = None,
    policy: PolicyFile = None,
) -> None:
    """Return to a kept release, exactly: its image and its configuration.

    In seconds while it is warm. Exit status 0: it serves; 1: it was not taken; 2: it cannot be tried.

    Examples:

    - `harness rollback`

    - `harness rollback 1.0.0 --dry-run`
    """
    from harness.commands.releasing import rollback as run

    options = options_of(profiles=[profile], target=target, contract=contract, policy=policy)
    raise typer.Exit(run(version, options, console(), dry_run=dry_run))
