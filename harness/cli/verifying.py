"""The verbs that put a target to the test: its controls, under load, with what nobody would send."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.arguments import (
    SUITES,
    Advisories,
    Contract,
    Controls,
    Intrusive,
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
from harness.options import options_of


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
    depth: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="gate: without what measures or rolls releases out. full: everything."
        ),
    ] = "full",
    workers: Annotated[
        int | None, typer.Option("-n", metavar="N", help="Workers. Default: two a processor.")
    ] = None,
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
        depth=depth,
    )
    screen = console()
    ran = run(options, suites.absolute(), screen, workers=workers)
    if report and not ran.interrupted:
        raise typer.Exit(reporting.conclude(ran.view.path, out or reporting.LATEST, screen))
    raise typer.Exit(ran.status)


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
        bool, typer.Option("--if-stale", help="Only what the ledger has no proof of that still holds.")
    ] = False,
    audit: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Besides, N of the proofs that hold, at random; implies --if-stale."
        ),
    ] = 0,
    seed: Annotated[
        int | None, typer.Option(metavar="S", help="Of the audit's choice. Default: a new one, printed.")
    ] = None,
    suites: Suites = SUITES,
) -> None:
    """Plant every check's defects in a deployment: each must be caught, and the clean twin must pass.

    The proofs are kept in suites/proofs.lock, each bound to the files that it depends on, and stand in later
    reports; a control without proof cannot open the gate. A proof that an audit contradicts voids them all.

    Examples:

    - `harness selftest`

    - `harness selftest -c 'middleware.cors.*' --json matrix.json`

    - `harness selftest --audit 20 --seed 4711`
    """
    from harness.commands.proving import Asked, prove
    from harness.commands.verify import default_workers

    options = options_of(profiles=profile, runtime=runtime, controls=controls)
    asked = Asked(if_stale=if_stale, audit=audit, seed=seed)
    count = workers or default_workers()
    raise typer.Exit(prove(options, suites.absolute(), console(), asked, workers=count, json=json))


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
    intrusive: Intrusive = False,
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
        intrusive=intrusive,
        own_target=i_own_this_target,
    )
    raise typer.Exit(run(scenario, options, console(), rate=rate, for_s=for_s))


def fuzz(
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", "-p", metavar="NAME", help="Repeatable. Default: production."),
    ] = None,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="For each profile.")] = 60.0,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of every choice. Default: a new one.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show which operations would be sent.")
    ] = False,
    replay: Annotated[
        str | None, typer.Option(metavar="ID", help="Only send a kept failure once more, and show it.")
    ] = None,
    runtime: Runtime = None,
    target: Target = "reference",
    contract: Contract = None,
    policy: PolicyFile = None,
    intrusive: Intrusive = False,
    i_own_this_target: Owned = False,
) -> None:
    """Send what nobody would send, made from the target's own API description, as callers in every role.

    No answer may be 5xx, repeat the request or show the server's inside. Failures are made small, kept in
    build/fuzz, and come first next time. To a URL only what changes nothing is sent, unless --intrusive gives
    leave. Exit status 0: nothing found; 1: something; 2: nothing was tried.

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
        intrusive=intrusive,
        own_target=i_own_this_target,
    )
    if replay:
        raise typer.Exit(verbs.replay(replay, options, console()))
    raise typer.Exit(verbs.fuzz(options, console(), budget_s=budget, seed=seed, dry_run=dry_run))
