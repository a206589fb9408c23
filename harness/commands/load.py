"""`harness load`: a scenario at a deployment, and its figures beside the service levels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import standing
from harness.assembly import Assembly
from harness.errors import UserError
from harness.gate import CLOSED, OPEN, UNDECIDED
from harness.load.decision import LONGEST, decide
from harness.load.levels import Row, rows, undelivered
from harness.load.order import Order, Reach, Witness, keys_for, reach_of
from harness.load.records import LoadResult
from harness.load.running import find_scenario, generate
from harness.options import Options
from harness.policy.levels import ServiceLevels
from harness.runtimes import Specification
from harness.runtimes.factory import silent
from harness.runtimes.witness import local_witness
from harness.target import Address
from harness.workspace import Workspace

_MOST: Final = 86_400.0  # a day; and more requests a second than one generator makes


def load(
    scenario: str, options: Options, console: Console, *, rate: float | None, for_s: float | None
) -> int:
    """Run a scenario; return 0 within the service levels, 1 outside of them, 2 without a verdict."""
    locustfile = find_scenario(scenario)
    assembly = Assembly(options)
    for name, value in (("--rate", rate), ("--for", for_s)):
        if value is not None and not 0 < value <= _MOST:
            raise UserError(
                f"{name} {value:g}: it has to be above 0 and at most {_MOST:g}", remedy="Give such a number."
            )
    if isinstance(assembly.target, Address) and not options.intrusive:
        raise UserError(
            f"{options.target}: load makes keys and records there, and may be too much for it",
            remedy="Give leave with --intrusive, at a server of your own.",
        )
    (profile,) = options.profiles
    policy = assembly.policies[profile]
    levels = policy.service_levels
    height = levels.rate if rate is None else rate
    length = LONGEST * levels.for_s if for_s is None else for_s
    with Workspace.open() as space, _reached(assembly, space, console) as (reach, witness):
        order = Order(
            reach=reach,
            rate=height,
            for_s=length,
            keys=keys_for(height, policy),
            levels=levels if for_s is None else None,
            witness=witness,
        )
        with console.status(f"{locustfile.stem}: up to {height:g} requests a second for {length:g} s …"):
            result = generate(locustfile, order)
    console.print(_table(result, levels, f"{locustfile.stem} at {profile}, {reach.base_url}"))
    console.print(_summary(result))
    return _decide(result, levels, profile, console)


@contextmanager
def _reached(assembly: Assembly, space: Workspace, console: Console) -> Iterator[tuple[Reach, Witness]]:
    """Reach what `harness up` left; where nothing stands, or another target is asked for, bring it up.

    A witness stands beside it.
    """
    options = assembly.options
    (profile,) = options.profiles
    usual = options.runtime is None and options.target == "reference" and options.contract is None
    if usual and any(told["profile"] == profile for told in standing.standing().values()):
        console.print(f"At the {profile} that `harness up` brought up.")
        with local_witness() as witness:
            yield standing.reach(profile), witness
        return
    name = assembly.runtimes[0]
    runtime = assembly.runtime(name, space, silent)
    try:
        runtime.prepare()
        with console.status(f"Bringing {profile} up on {name} …"):
            deployment = runtime.start(Specification(profile=profile))
        with deployment.witness() as witness:
            yield reach_of(deployment, assembly.target.contract), witness
    finally:
        runtime.close()


def _decide(result: LoadResult, levels: ServiceLevels, profile: str, console: Console) -> int:
    if not result.judged:
        console.print(f"{result.served:.1f} requests a second were answered rightly in the second half.")
        console.print("No service level is promised of this shape.")
        return OPEN
    decision = decide([result], levels)
    if reason := undelivered(result) or decision.undecided():
        console.print(f"No verdict: {escape(reason)}.")
        return UNDECIDED
    for level in decision.broken():
        console.print(f"Outside of the service levels of {profile}: {escape(str(level))}.")
    if decision.broken():
        return CLOSED
    console.print(f"Within the service levels of {profile}.")
    return OPEN


def _table(result: LoadResult, levels: ServiceLevels, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("step")
    for name in ("samples", "p50 ms", "p95 ms", "of", "p99 ms", "of", "max ms"):
        table.add_column(name, justify="right")
    for row in rows(result, levels):
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    p95, p99 = (
        f"{b:g}" if b else "" for b in (row.level and row.level.p95_ms, row.level and row.level.p99_ms)
    )
    return [
        *(row.step, str(row.samples), f"{row.p50:.1f}"),
        *(f"{row.p95:.1f}", p95, f"{row.p99:.1f}", p99, f"{row.longest:.1f}"),
    ]


def _summary(result: LoadResult) -> str:
    errors = ", ".join(f"{count} {what}" for what, count in list(result.errors.items())[:3])
    return escape(
        f"{result.offered} of {result.planned} planned requests begun, {result.lag_ms:.2f} ms late (p99); "
        f"{result.completed} answered, {result.failed} wrong{f' ({errors})' if errors else ''}."
    )
