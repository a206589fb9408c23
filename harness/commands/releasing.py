"""`harness release` and `harness rollback`: one release takes the place of another in what stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness import places, standing
from harness.assembly import Assembly
from harness.errors import ReleaseError
from harness.gate import CLOSED, OPEN
from harness.options import Options
from harness.policy.releases import Watch
from harness.releases.choosing import check_kept, check_new, version_before
from harness.releases.entries import Ended, Operation, Outcome, State, Step, Stepped, fold
from harness.releases.ledger import Ledger, read_state
from harness.releases.rollout import STEPS, Driver, adoption
from harness.releases.stage import Sample, Stage
from harness.runtimes.containers import ContainersRuntime
from harness.runtimes.factory import silent
from harness.runtimes.stage import attached
from harness.workspace import Workspace

_TOLD: Final = {
    Step.EXPAND: "the database gets what it needs, by its own migrations; what serves does not mind",
    Step.START: "its replicas start beside what serves, and become ready",
    Step.VERIFY: "it is asked itself, before any client: ready, version, schema, a write read back",
    Step.SWITCH: "clients go to it from one moment on; requests under way end where they are",
    Step.WATCH: "its answers are counted, {for_s:g} s at least; {errors:.1%} may fail, else clients go back",
    Step.RETIRE: "what served before is stopped and removed",
    Step.CONTRACT: "the database loses what only older releases use; none of them can serve again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """The deployment that is up: its stage, where its releases are remembered, how one is watched."""

    assembly: Assembly
    stage: Stage
    ledger: Path
    watch: Watch


def release(
    version: str | None,
    options: Options,
    console: Console,
    *,
    image: str | None,
    configuration: Path | None,
    contract: bool,
    dry_run: bool,
) -> int:
    """Put a release into service; without a version, only end what was left unfinished.

    Returns 0 when it was taken, 1 when clients went back to the one before.
    """
    with _here(options) as here:
        if version is None:
            return _resume(here, console)
        text = _configuration(configuration or places.SETTINGS / f"{options.profiles[0]}.toml")
        found = here.stage.identify(version, image or _built(here.assembly), text)
        if dry_run:
            state = _state(here)
            check_new(state, found)
            operations: tuple[Operation, ...] = ("release", "contract") if contract else ("release",)
            return _show(operations, found.told, state, here, console)
        status = _drive(here, console, lambda driver: driver.release(found))
        if contract and status == OPEN:
            status = _drive(here, console, Driver.contract)
        return status


def rollback(version: str | None, options: Options, console: Console, *, dry_run: bool) -> int:
    """Return to a kept release, by default to the one that served before. Returns as `release` does."""
    with _here(options) as here:
        if dry_run:
            state = _state(here)
            wanted = version or version_before(state)
            check_kept(state, wanted)
            return _show(("rollback",), state.releases[wanted].told, state, here, console)
        return _drive(here, console, lambda driver: driver.rollback(version))


@contextmanager
def _here(options: Options) -> Iterator[Here]:
    """Find the newest deployment of the profile. Raises `UserError` where none stands."""
    assembly = Assembly(options)
    (profile,) = options.profiles
    run_id = standing.newest(profile)
    with attached(run_id, assembly.target.contract, standing.reach(profile)) as stage:
        yield Here(
            assembly=assembly,
            stage=stage,
            ledger=standing.ledger(run_id),
            watch=assembly.policies[profile].releases.watch,
        )


def _built(assembly: Assembly) -> str:
    """Build the target's image as it stands now, where there is none of it yet; return its tag."""
    with Workspace.open() as space:
        runtime = assembly.runtime("containers", space, silent)
        assert isinstance(runtime, ContainersRuntime), "asked for by name"
        try:
            runtime.prepare()
            return runtime.image
        finally:
            runtime.close()


def _drive(here: Here, console: Console, work: Callable[[Driver], Outcome]) -> int:
    with Ledger.hold(here.ledger) as ledger:
        driver = Driver(here.stage, ledger, here.watch, _Progress(console))
        _finish(driver, ledger, console)
        return _conclude(work(driver), ledger.state, console)


def _resume(here: Here, console: Console) -> int:
    with Ledger.hold(here.ledger) as ledger:
        outcome = _finish(Driver(here.stage, ledger, here.watch, _Progress(console)), ledger, console)
        if outcome is None:
            console.print("Nothing was left unfinished.")
            return OPEN
        return OPEN if outcome.result == "taken" else CLOSED


def _finish(driver: Driver, ledger: Ledger, console: Console) -> Outcome | None:
    """Bring to an end what a driver that was killed had begun."""
    left = ledger.state.unfinished
    if left is None:
        return None
    begun = left.begun
    console.print(f"The {begun.operation} of {begun.version} was left at: {left.reached or 'its beginning'}.")
    outcome = driver.resume()
    if outcome is not None:
        _conclude(outcome, ledger.state, console)
    return outcome


class _Progress:
    """Prints each step once it is over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = 0.0

    def __call__(self, told: Stepped | Ended | Sample) -> None:
        match told:
            case Stepped(mark="begun"):
                self._began = told.at
            case Stepped():
                self._console.print(f"  {told.step}: {told.mark} ({told.at - self._began:.1f} s)")
            case _:
                pass


def _conclude(outcome: Outcome, state: State, console: Console) -> int:
    took = f"{outcome.ended - outcome.began:.1f} s"
    if outcome.result != "taken":
        met = outcome.recovery_s
        recovered = "" if met is None else f", {met:.1f} s after clients first met {outcome.version}"
        console.print(f"{outcome.version} was not taken: {escape(outcome.why)}")
        console.print(f"{state.serving or 'Nothing'} serves{recovered}.")
        return CLOSED
    if outcome.operation == "contract":
        console.print(f"The schema has nothing left that {outcome.version} does not know, after {took}.")
        return OPEN
    console.print(f"{outcome.version} serves, after {took}.")
    if outcome.before:
        console.print(f"{outcome.before} is kept warm. Return to it with: harness rollback {outcome.before}")
    return OPEN


def _state(here: Here) -> State:
    """What the ledger would say if the operation began now."""
    state = read_state(here.ledger)
    if state.unfinished is not None:
        begun = state.unfinished.begun
        raise ReleaseError(
            f"the {begun.operation} of {begun.version} is unfinished",
            remedy="Bring it to an end first: harness release --resume.",
        )
    return fold(adoption(state, here.stage), state)


def _show(operations: tuple[Operation, ...], told: str, state: State, here: Here, console: Console) -> int:
    """Print what would be done, and do nothing."""
    serving = state.releases[state.serving].told if state.serving else "nothing"
    table = Table(title=f"{told} in place of {serving}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for operation in operations:
        for step in STEPS[operation]:
            said = _TOLD[step].format(for_s=here.watch.for_s, errors=here.watch.error_share)
            table.add_row(step, escape(said))
    console.print(table)
    console.print(f"Kept, oldest first: {', '.join(state.taken) or 'none'}. Nothing was done.")
    return OPEN


def _configuration(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise ReleaseError(
            f"{path}: {cause}", remedy="Name the settings file of the release with --config."
        ) from None
