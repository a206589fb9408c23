"""The `harness` program: its verbs, thin over the library, and its exit statuses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness import cli_releases, places
from harness.arguments import (
    Advisories,
    Contract,
    Controls,
    Intrusive,
    Journal,
    JournalOut,
    Owned,
    PolicyFile,
    Profiles,
    Runtime,
    Suites,
    Target,
    Waivers,
)
from harness.console import console
from harness.errors import HarnessError
from harness.options import options_of

SUITES = places.PROJECT / "suites"
app = typer.Typer(
    name="harness",
    help="A deployment of PanottiServer goes in, a verdict that can be trusted comes out.",
    epilog="Exit status: 0 open (or done), 1 closed (something failed), 2 could not decide (or a mistake).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)


@app.command()
def doctor() -> None:
    """Say what this machine can do, what that opens, and what to do about the rest.

    Examples:

    - `harness doctor`
    """
    from harness.commands.doctor import doctor as run

    raise typer.Exit(run(console()))


@app.command()
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


@app.command()
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


@app.command()
def compose(contract: Contract = None) -> None:
    """Prepare what `docker-compose -f deploy/compose.yaml up` needs: images, secrets, certificates.

    They stand in build/compose. Secrets that are there already stay, as they belong to the data.

    Examples:

    - `harness compose && docker-compose -f deploy/compose.yaml up --detach`
    """
    from harness.commands.composing import compose as run

    options = options_of(profiles=["production"], runtime="containers", contract=contract)
    raise typer.Exit(run(options, console()))


@app.command()
def verify(
    profile: Profiles = None,
    runtime: Runtime = None,
    target: Target = "reference",
    contract: Contract = None,
    policy: PolicyFile = None,
    waivers: Waivers = None,
    advisories: Advisories = None,
    controls: Controls = None,
    journal: JournalOut = None,
    intrusive: Intrusive = False,
    i_own_this_target: Owned = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write all reports, and end with the gate.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where --report writes.")] = None,
    suites: Suites = SUITES,
) -> None:
    """Bring the target up in its profiles, side by side, and verify it.

    Leaves a journal. Exit status 0: all required checks that ran passed; 1: one failed; 2: could not decide.

    Examples:

    - `harness verify`

    - `harness verify -p production -c 'middleware.*'`

    - `harness verify --target source:. --contract contract.toml`

    - `harness verify --target https://127.0.0.1:8443 --contract contract.toml --intrusive`
    """
    from harness.commands import reporting
    from harness.commands.verify import verify as run

    options = options_of(
        profiles=profile,
        runtime=runtime,
        target=target,
        contract=contract,
        policy=policy,
        waivers=waivers,
        advisories=advisories,
        controls=controls,
        journal=journal,
        intrusive=intrusive,
        own_target=i_own_this_target,
    )
    screen = console()
    ran = run(options, suites.absolute(), screen)
    if report and not ran.interrupted:
        raise typer.Exit(reporting.conclude(ran.view.path, out or reporting.LATEST, screen))
    raise typer.Exit(ran.status)


@app.command()
def load(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="steady, ramp, scale_out, or a locustfile.")
    ] = "steady",
    profile: Annotated[str, typer.Option("--profile", "-p", metavar="NAME")] = "production",
    rate: Annotated[float | None, typer.Option(metavar="N", help="Requests a second, at the height.")] = None,
    for_s: Annotated[float | None, typer.Option("--for", metavar="SECONDS", help="How long.")] = None,
    runtime: Runtime = None,
    target: Target = "reference",
    contract: Contract = None,
    policy: PolicyFile = None,
    i_own_this_target: Owned = False,
) -> None:
    """Put load on what `harness up` brought up, or on a deployment of its own; say what came of it.

    Arrivals are planned, and latency counts from the plan. Exit status 0: within the service levels; 1:
    outside; 2: no verdict.

    Examples:

    - `harness load`

    - `harness load ramp --profile staging --rate 60 --for 30`
    """
    from harness.commands.load import load as run

    options = options_of(
        profiles=[profile],
        runtime=runtime,
        target=target,
        contract=contract,
        policy=policy,
        own_target=i_own_this_target,
    )
    raise typer.Exit(run(scenario, options, console(), rate=rate, for_s=for_s))


@app.command()
def fuzz(
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Repeatable. Default: production."),
    ] = None,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="For each profile.")] = 60.0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of every choice. Default: a new one.")
    ] = None,
    replay: Annotated[
        str | None, typer.Option(metavar="ID", help="Only send a kept failure once more, and show it.")
    ] = None,
    runtime: Runtime = None,
    target: Target = "reference",
    contract: Contract = None,
    policy: PolicyFile = None,
    i_own_this_target: Owned = False,
) -> None:
    """Send what nobody would send, made from the target's own API description, as callers in every role.

    No answer may be 5xx, repeat the request or show the server's inside. Failures are made small, kept in
    build/fuzz, and come first next time. Exit status 0: nothing found; 1: something; 2: nothing was tried.

    Examples:

    - `harness fuzz`

    - `harness fuzz -p testing --runtime process --budget 20 --seed 7`

    - `harness fuzz --replay 4c84448dec`
    """
    from harness.commands import fuzz as verbs

    options = options_of(
        profiles=profile or ["production"],
        runtime=runtime,
        target=target,
        contract=contract,
        policy=policy,
        own_target=i_own_this_target,
    )
    if replay:
        raise typer.Exit(verbs.replay(replay, options, console()))
    raise typer.Exit(verbs.fuzz(options, console(), budget_s=budget, seed=seed))


@app.command()
def selftest(
    controls: Controls = None,
    profile: Profiles = None,
    runtime: Runtime = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the matrix and totals as JSON.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("-n", metavar="N", help="Workers. Default: one a processor, at least two.")
    ] = None,
    if_stale: Annotated[
        bool, typer.Option("--if-stale", help="Do nothing while every proof at hand still holds.")
    ] = False,
    suites: Suites = SUITES,
) -> None:
    """Plant every check's defects in a deployment: each must be caught, and the clean twin must pass.

    The proofs are kept, and stand in later reports; a control without proof cannot open the gate.

    Examples:

    - `harness selftest`

    - `harness selftest -c 'middleware.cors.*' --json matrix.json`
    """
    from harness.commands import verify as verbs

    options = options_of(profiles=profile, runtime=runtime, controls=controls)
    screen = console()
    if if_stale and verbs.proven(options, suites.absolute(), screen):
        raise typer.Exit(0)
    count = workers or verbs.default_workers()
    raise typer.Exit(verbs.selftest(options, suites.absolute(), screen, workers=count, json=json))


@app.command()
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


@app.command()
def gate(
    journal: Journal = "latest",
    shown: Annotated[int, typer.Option(metavar="N", help="How many reasons to print.")] = 20,
) -> None:
    """Decide on a journal: 0 open, 1 closed (a required control failed), 2 could not decide.

    Examples:

    - `harness gate build/journals/RUN`
    """
    from harness.commands import reporting

    raise typer.Exit(reporting.gate(reporting.find(journal), console(), shown=shown))


@app.command()
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


app.command()(cli_releases.release)
app.command()(cli_releases.rollback)


def main() -> None:
    """Run the program; what the user can put right is one message and status 2, never a traceback."""
    try:
        app()
    except HarnessError as error:
        sys.stderr.write(f"harness: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("harness: interrupted\n")
        sys.exit(2)
