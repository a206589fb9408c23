"""Runs a campaign in a process of its own: bounded, followed, and gone with the run that began it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from harness.errors import ProbeFailed
from harness.fuzz.order import Order
from harness.fuzz.records import Failure, FuzzResult, Phase, Tally
from harness.secretly import write_secretly
from harness.tomlfile import to_record
from harness.workspace import Workspace

# Reading the description and sending what is valid before the budget begins, one late answer after it.
_AROUND_S: Final = 90.0
_TAIL: Final = 12
Progress = Callable[[int, int], None]


def in_silence(cases: int, failures: int) -> None:
    """Tell nobody."""


def fuzz(order: Order, *, progress: Progress = in_silence, until_failure: bool = False) -> FuzzResult:
    """Run a campaign to its end. progress: is told the numbers of cases and of failures so far.

    until_failure: end it with the first failure that has failed again when it was repeated.
    Raises `ProbeFailed` for a description that cannot be read, and where the campaign itself broke.
    """
    with Workspace.open() as space, TemporaryDirectory(prefix="fuzz-", dir=space.root) as made:
        folder = Path(made)
        asked, said = folder / "order.json", folder / "stderr"
        write_secretly(order, asked)
        follower = _Follower(order, progress, until_failure=until_failure)
        with said.open("wb") as log:
            status = _followed(asked, folder, log.fileno(), order.budget_s + _AROUND_S, follower.take)
        if follower.refused:
            what, remedy = follower.refused
            raise ProbeFailed(what, remedy=remedy)
        if status != 0 and not follower.cases:
            tail = "\n".join(f"  | {x}" for x in said.read_text(errors="replace").splitlines()[-_TAIL:])
            raise ProbeFailed(f"the fuzzer ended with status {status} before its first request:\n{tail}")
        return follower.result(status)


class _Follower:
    """Makes a result of the lines that a campaign prints."""

    def __init__(self, order: Order, progress: Progress, *, until_failure: bool) -> None:
        self._order = order
        self._until_failure = until_failure
        self._progress = progress
        self._counts: dict[str, dict[Phase, Tally]] = {
            one.name: defaultdict(Tally) for one in order.operations
        }
        self._failures: dict[str, Failure] = {}
        self._trouble: list[str] = []
        self._elapsed_s: float | None = None
        self.refused: tuple[str, str] | None = None
        self.cases = 0

    def take(self, line: bytes) -> bool:
        """Read one line; return whether more are wanted."""
        match orjson.loads(line):
            case {"case": [str(operation), phase, int(status), bool(success)]}:
                tally = self._counts[operation][phase]
                tally.statuses[status] += 1
                tally.successes += success
                self.cases += 1
                self._progress(self.cases, len(self._failures))
            case {"failure": failure}:
                found = to_record(Failure, failure, source="the fuzzer", remedy="")
                self._failures[found.id] = found
            case {"trouble": str(trouble)}:
                self._trouble.append(trouble)
            case {"refused": str(what), "remedy": str(remedy)}:
                self.refused = (what, remedy)
            case {"done": float(elapsed_s)}:
                self._elapsed_s = elapsed_s
            case other:
                raise ProbeFailed(f"the fuzzer said what nobody asked for: {str(other)[:80]}")
        return not self._enough

    @property
    def _enough(self) -> bool:
        return self._until_failure and any(one.again for one in self._failures.values())

    def result(self, status: int) -> FuzzResult:
        """Return what it came to. status: with which the campaign ended."""
        cause = "one failure is enough" if self._enough else f"its process ended with status {status}"
        return FuzzResult(
            seed=self._order.seed,
            budget_s=self._order.budget_s,
            elapsed_s=self._elapsed_s or self._order.budget_s,
            counts={name: dict(found) for name, found in self._counts.items()},
            failures=tuple(failure for failure in self._failures.values() if failure.counts),
            trouble=tuple(self._trouble),
            ended="" if self._elapsed_s is not None else cause,
        )


def _followed(asked: Path, folder: Path, log: int, limit_s: float, take: Callable[[bytes], bool]) -> int:
    """Return the campaign's exit status. Its process ends with this call, however this call ends.

    take: is given each line; the campaign is ended once it returns False.
    """
    # What is asked for over a proxy of this machine would not be asked of the target.
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "harness.fuzz.child", str(asked)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
    ) as process:
        watch = threading.Timer(limit_s, _kill, (process,))
        watch.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.endswith(b"\n") and not take(line):  # without an end it was cut off in the middle
                    _kill(process)
                    break
            return process.wait()
        finally:
            watch.cancel()
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
