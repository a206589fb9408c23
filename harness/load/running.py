"""Runs the generator in a process of its own: bounded, and gone with the run that began it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness import places
from harness.disturbance import watch
from harness.errors import ProbeFailed, UserError
from harness.load.order import Order
from harness.load.records import LoadResult, read_result
from harness.secretly import write_secretly
from harness.tomlfile import nearest
from harness.workspace import Workspace

SCENARIOS: Final = places.PROJECT / "scenarios"
# Starting Python and making keys before the plan, waiting for late answers after it.
_AROUND_S: Final = 45.0
_LEAVE_S: Final = 3.0
_TAIL: Final = 12


def find_scenario(wanted: str) -> Path:
    """Return the locustfile of a shipped scenario, by its name, or a user's own, by its path."""
    own = Path(wanted)
    if own.suffix == ".py":
        if not own.is_file():
            raise UserError(f"{own}: there is no such locustfile", remedy="Give the path of a locustfile.")
        return own.absolute()
    shipped = {path.stem: path for path in SCENARIOS.glob("*.py") if path.stem not in {"__init__", "journey"}}
    if wanted not in shipped:
        raise UserError(f'there is no scenario "{wanted}"', remedy=nearest(wanted, shipped))
    return shipped[wanted]


def generate(scenario: Path, order: Order) -> LoadResult:
    """Run a scenario to its end. Raises `UserError` where the generator refuses it, else `ProbeFailed`.

    Where a witness is asked, too, the result tells what the machine did.
    """
    if order.witness is None:
        return _generate(scenario, order)
    with watch() as seen:
        result = _generate(scenario, replace(order, moments=seen.file))
    return replace(result, moments=seen.moments)


def _generate(scenario: Path, order: Order) -> LoadResult:
    with Workspace.open() as space, TemporaryDirectory(prefix="load-", dir=space.root) as made:
        folder = Path(made)
        asked, result, said = folder / "order.json", folder / "result.json", folder / "locust.log"
        write_secretly(order, asked)
        argv = [
            *(sys.executable, "-m", "harness.load.generator", "--locustfile", str(scenario)),
            *("--headless", "--only-summary", "--loglevel", "ERROR"),
            *("--order", str(asked), "--result", str(result)),
        ]
        with said.open("wb") as log:
            status = _bounded(argv, folder, log.fileno(), order.for_s + _AROUND_S)
        if not result.is_file():
            _explain(scenario, status, said.read_text(errors="replace"))
        return read_result(result)


def _bounded(argv: list[str], folder: Path, log: int, limit_s: float) -> int:
    """Return the generator's exit status. It ends with this call, however this call ends."""
    # Locust takes options from variables and from files in the folder it is started in: not a user's here.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    process = subprocess.Popen(  # noqa: S603
        argv,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise ProbeFailed(f"the load generator did not end within {limit_s:.0f} s") from None
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(_LEAVE_S)


def _explain(scenario: Path, status: int, said: str) -> None:
    """Raise what the generator said instead of a result."""
    refusal = said.rpartition("locust: ")[2].strip()
    if status == 2 and "locust: " in said:
        what, _, remedy = refusal.partition("\n  → ")
        raise UserError(f"{scenario.name}: {what}", remedy=remedy.splitlines()[0] if remedy else "")
    tail = "\n".join(f"  | {line}" for line in said.strip().splitlines()[-_TAIL:])
    raise UserError(
        f"{scenario}: Locust ended with status {status} and left no result:\n{tail}",
        remedy="Build the scenario on harness.load.generator.OpenUser; scenarios/steady.py is one.",
    )
