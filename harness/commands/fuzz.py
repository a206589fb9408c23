"""`harness fuzz`: campaigns at deployments of their own, and what they found; or one failure again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.assembly import Assembly
from harness.errors import UserError
from harness.fuzz.corpus import Corpus
from harness.fuzz.description import operations
from harness.fuzz.exhibits import operations_table
from harness.fuzz.levels import unfit
from harness.fuzz.plan import is_safe
from harness.fuzz.records import FuzzResult
from harness.gate import CLOSED, OPEN, UNDECIDED
from harness.options import Options
from harness.outcome import NotVerified, not_verified
from harness.policy import Policy
from harness.records import Table as Shown
from harness.runtimes import Specification
from harness.runtimes.factory import silent
from harness.scans.setup import Setup
from harness.site import Site
from harness.target import Address
from harness.workspace import Workspace

_LEAVE: Final = "Give leave for the rest with --intrusive, at a server of your own."


def fuzz(
    options: Options, console: Console, *, budget_s: float, seed: int | None, dry_run: bool = False
) -> int:
    """Fuzz each profile; return 0 where nothing was found, 1 where something was, 2 if nothing was tried.

    dry_run: only show which operations would be sent.
    """
    if not 0 < budget_s < float("inf"):
        raise UserError(f"--budget {budget_s:g}: it has to be above zero", remedy="Give such a number.")
    assembly = Assembly(options)
    found: set[int] = {OPEN}
    for profile in assembly.profiles:
        with _brought_up(assembly, profile, console) as site:
            try:
                if dry_run:
                    console.print(_plan(site, read_only=_read_only(assembly)))
                    continue
                result = _campaign(site, console, budget_s, seed, read_only=_read_only(assembly))
            except NotVerified as reason:
                console.print(f"Nothing was decided of {profile}: {escape(str(reason))}.")
                found.add(UNDECIDED)
                continue
        console.print(_table(operations_table(result), profile))
        found.add(_decide(result, site.policy, console))
    return next(status for status in (CLOSED, UNDECIDED, OPEN) if status in found)


def replay(failure: str, options: Options, console: Console) -> int:
    """Send what failed once more; return 1 if it fails again, 0 if not, 2 where it was not tried."""
    kept, assembly = Corpus().get(failure), Assembly(options)
    if kept.target != assembly.target.label:
        raise UserError(
            f"{failure} was seen at {kept.target}, not at {assembly.target.label}",
            remedy="Give the --target and the --contract that it was found with.",
        )
    if _read_only(assembly) and not is_safe(kept.failure.message.operation):
        raise UserError(f"{failure} may change what is there", remedy=_LEAVE)
    with _brought_up(assembly, kept.profile, console) as site:
        try:
            again = site.fuzz.replay(kept.failure)
        except NotVerified as reason:
            console.print(f"It was not tried: {escape(str(reason))}.")
            return UNDECIDED
    console.print(f"{escape(str(kept.failure))}\n", soft_wrap=True)
    console.print(escape(again.exchange.curl), soft_wrap=True)
    console.print(f"{again.exchange.status} {escape(again.exchange.response_body)}\n", soft_wrap=True)
    for complaint in again.complaints:
        console.print(f"It is still {escape(str(complaint))}.")
    if not again.complaints:
        console.print("Nothing is wrong with this answer any more.")
    return CLOSED if again.complaints else OPEN


@contextmanager
def _brought_up(assembly: Assembly, profile: str, console: Console) -> Iterator[Site]:
    """A deployment of its own, for what is sent there may leave anything behind."""
    with Workspace.open() as space:
        runtime = assembly.runtime(assembly.runtimes[0], space, silent)
        try:
            runtime.prepare()
            with console.status(f"Bringing {profile} up on {runtime.name} …"):
                deployment = runtime.start(Specification(profile=profile))
            site = Site(
                deployment=deployment,
                policy=assembly.policies[profile],
                contract=assembly.target.contract,
                runtime=runtime,
                twin=lambda other: not_verified(f"there is no {other} here"),
                setup=Setup(target=assembly.target),
            )
            yield site
            site.close()
        finally:
            runtime.close()


def _read_only(assembly: Assembly) -> bool:
    """Whether the target was up before, and nobody gave leave to change what is there."""
    return isinstance(assembly.target, Address) and not assembly.options.intrusive


def _plan(site: Site, *, read_only: bool) -> Table:
    table = Table(title=f"What would be sent to {site.profile}", title_justify="left", box=SIMPLE)
    for name in ("operation", "sent"):
        table.add_column(name)
    for route in operations(site.openapi.document):
        left_out = read_only and not is_safe(route)
        table.add_row(escape(route), "no: it may change what is there" if left_out else "yes")
    return table


def _campaign(
    site: Site, console: Console, budget_s: float, seed: int | None, *, read_only: bool
) -> FuzzResult:
    if read_only:
        console.print(f"Only what changes nothing is sent. {_LEAVE}")
    with console.status(f"Fuzzing {site.profile} for {budget_s:g} s …") as shown:

        def tell(cases: int, failures: int) -> None:
            shown.update(f"Fuzzing {site.profile} for {budget_s:g} s: {cases} cases, {failures} failures …")

        return site.fuzz.campaign(budget_s=budget_s, seed=seed, progress=tell, read_only=read_only)


def _decide(result: FuzzResult, policy: Policy, console: Console) -> int:
    console.print(f"Seed {result.seed}; again: harness fuzz -p {policy.profile} --seed {result.seed}")
    for trouble in result.trouble:
        console.print(f"Not made requests of: {escape(trouble)}", soft_wrap=True)
    for failure in result.failures:
        console.print(f"{failure.id}  {escape(str(failure))}", soft_wrap=True)
    if result.failures:
        console.print("Each again, as a curl command too: harness fuzz --replay ID")
        return CLOSED
    if reason := unfit(result, policy.fuzz):
        console.print(f"No verdict: {escape(reason)}.", soft_wrap=True)
        return UNDECIDED
    console.print(f"Nothing found in {result.total} cases of {len(result.counts)} operations.")
    return OPEN


def _table(shown: Shown, profile: str) -> Table:
    table = Table(title=f"{shown.title} at {profile}", title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for number, name in enumerate(shown.columns):
        table.add_column(name, justify="right" if number else "left")
    for row in shown.rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table
