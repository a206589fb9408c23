"""`harness prepare`, `harness up` and `harness down`: a deployment that stays until it is removed."""

from __future__ import annotations

import os
import shlex

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import standing, workspace
from harness.assembly import Assembly
from harness.errors import UserError
from harness.options import Options
from harness.records import Event
from harness.runtimes import Deployment, Specification
from harness.workspace import Workspace


def prepare(options: Options, console: Console) -> int:
    """Make once what every deployment starts from. Raises `RuntimeUnavailable` where that cannot be made."""
    assembly = Assembly(options)
    name = assembly.runtimes[0]
    with Workspace.open() as run, console.status("Making what is not there yet …"):
        assembly.runtime(name, run, lambda event: tell(console, event)).prepare()
    console.print(
        escape(f"What {assembly.target.label} is brought up from is there, for the runtime {name}.")
    )
    return 0


def up(options: Options, console: Console) -> int:
    """Bring one deployment up, print how to reach it, and leave it."""
    assembly = Assembly(options)
    # testcontainers' own reaper would remove it as soon as this process ends.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    (profile,), name = options.profiles, assembly.runtimes[0]
    if name == "external":
        raise UserError(f"{options.target} is up already", remedy="Verify it: harness verify --target URL.")
    run = Workspace.open()
    try:
        runtime = assembly.runtime(name, run, lambda event: tell(console, event))
        with console.status(f"Bringing {profile} up on {name} …"):
            deployment = runtime.start(Specification(profile=profile))
        standing.keep(run, deployment, assembly.target.contract)
    except BaseException:
        run.close()
        raise
    run.detach()
    console.print(_how_to_reach(run.run_id, deployment, assembly.target.contract.http.auth_header))
    console.print(f"Ready after {deployment.started_in_s:.1f} s. The key is shown this once.")
    console.print("Remove it with: harness down")
    return 0


def down(run_id: str | None, console: Console, *, dry_run: bool) -> int:
    """Remove what `up` left: one run, or all. Raises `UserError` for a run that is not there."""
    kept = standing.standing()
    if run_id is not None and run_id not in kept:
        here = f"Up are: {', '.join(kept)}." if kept else "Nothing is up."
        raise UserError(f'there is no run "{run_id}"', remedy=here)
    chosen = {run_id: kept[run_id]} if run_id else kept
    if not chosen:
        console.print("Nothing is up.")
    for name, told in chosen.items():
        verb = "Would remove" if dry_run else "Removed"
        if not dry_run:
            workspace.discard(name)
            standing.forget(name)
        console.print(f"{verb} {name}: {told['profile']} on {told['runtime']}, {told['url']}")
    return 0


def _how_to_reach(run_id: str, deployment: Deployment, header: str) -> Table:
    table = Table(
        title=f"{deployment.specification.profile} on {deployment.runtime}",
        title_justify="left",
        show_header=False,
    )
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "run": run_id,
        "URL": deployment.base_url,
        "plain HTTP": deployment.plain_url or "",
        "Host header": deployment.host_name,
        "root certificate": str(deployment.ca_file or ""),
        f"{header} (administrator)": deployment.api_key,
        "try": _curl(deployment, header),
    }
    for name, value in rows.items():
        if value:
            table.add_row(name, escape(value))
    return table


def _curl(deployment: Deployment, header: str) -> str:
    scheme, _, authority = deployment.base_url.partition("://")
    address, _, port = authority.rpartition(":")
    words = ["curl", "--resolve", f"{deployment.host_name}:{port}:{address}"]
    if deployment.ca_file:
        words += ["--cacert", str(deployment.ca_file)]
    words += ["-H", f"{header}: KEY", f"{scheme}://{deployment.host_name}:{port}/api/recordings"]
    return shlex.join(words)


def tell(console: Console, event: Event) -> None:
    """Say what takes long: an image that is built."""
    if event.name.startswith(("image.", "wheels.", "environment.")):
        which = "".join(f" {word}" for word in event.detail.values())
        seconds = f" ({event.seconds:.0f} s)" if event.seconds else ""
        console.print(escape(f"{event.name}{which}{seconds}"))
