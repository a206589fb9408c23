"""A child pytest process that writes to a journal, followed while it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness import places
from harness.journal import OWNER, SUFFIX
from harness.session import PLANNED

_LOOK_S = 0.2
_TAIL = 15
# Plugins that a developer may have installed and that cost time or change the output.
_UNUSED = ("cacheprovider", "hypothesispytest", "schemathesis", "anyio")
# What the caller's own pytest is told would leave checks out.
_NOT_PASSED_ON = {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"}
_PLAIN = (*(word for name in _UNUSED for word in ("-p", f"no:{name}")), "--tb=short", "--color=no")


@dataclass(slots=True, kw_only=True)
class Child:
    """One pytest process. label: what it verifies. log: what it prints."""

    label: str
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return self.process.poll()

    def tail(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self.log.read_text(errors="replace").rstrip().splitlines()[-_TAIL:])


def spawn(label: str, suites: Path, directory: Path, arguments: Sequence[str]) -> Child:
    """Start pytest on `suites`. It has a session of its own: Ctrl-C reaches it and its workers through
    `_interrupt` alone."""
    log = directory / f"pytest-{label}.log"
    argv = [
        *(
            sys.executable,
            "-m",
            "pytest",
            str(suites),
            "--rootdir",
            str(suites.parent),
            "-p",
            "harness.plugin",
        ),
        *_PLAIN,
        *("--journal", str(directory)),
        *arguments,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            argv,
            cwd=suites.parent,
            env=places.compiling({n: v for n, v in os.environ.items() if n not in _NOT_PASSED_ON}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(label=label, log=log, process=process)


def follow(child: Child, profiles: Sequence[str], directory: Path, console: Console) -> int:
    """Show how far the child is, by profile, until it has ended; return how often it was interrupted."""
    tail = Tail(directory)
    interrupted = 0
    with _display(console) as display:
        screen = _Screen(display, profiles, console)
        while True:
            try:
                running = child.status is None
                screen.show(tail.records())
                if not running:
                    return interrupted
                time.sleep(_LOOK_S)
            except KeyboardInterrupt:
                interrupted += 1
                _interrupt(child, interrupted, console)


@dataclass(slots=True)
class Tail:
    """Reads what is appended to a journal's segments, whole lines only."""

    directory: Path
    offsets: dict[Path, int] = field(default_factory=dict)

    def records(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield type and payload of every record that is new."""
        for path in sorted(self.directory.glob(f"*{SUFFIX}")):
            if path.stem != OWNER:
                yield from self._of(path)

    def _of(self, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
        with path.open("rb") as file:
            file.seek(self.offsets.get(path, 0))
            whole, newline, _ = file.read().rpartition(b"\n")
        self.offsets[path] = self.offsets.get(path, 0) + len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            yield record["type"], record["payload"]


class _Screen:
    """A bar for each profile on a terminal; elsewhere a line for each finding that is no pass."""

    def __init__(self, display: Progress, profiles: Sequence[str], console: Console) -> None:
        self._display = display
        self._console = console
        self._bars = {profile: display.add_task(profile, total=None) for profile in profiles}

    def show(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        for kind, payload in records:
            bar = self._bars.get(str(payload.get("profile", "")))
            if bar is None:
                continue
            if kind == "event" and payload["name"] == PLANNED:
                known = self._display.tasks[bar].total or 0
                self._display.update(bar, total=known + payload["detail"]["items"])
            elif kind == "finding":
                self._display.advance(bar)
                self._tell(payload)

    def _tell(self, finding: Mapping[str, Any]) -> None:
        expected = "fail" if finding["defect"] else "pass"
        if finding["verdict"] in {expected, "not-applicable"}:
            return
        what = f"{finding['defect']}: " if finding["defect"] else ""
        message = str(finding["message"]).splitlines() or [""]
        line = f"{finding['profile']}: {finding['control']}: {what}{finding['verdict']}: {message[0]}"
        self._console.print(escape(line), soft_wrap=True)


def _display(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _interrupt(child: Child, times: int, console: Console) -> None:
    """Pass Ctrl-C on once, and wait until the child has cleared away; the second one kills it."""
    if times == 1:
        console.print("Interrupted: stopping what is up. Ctrl-C again does it the hard way.")
    if child.status is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGINT if times == 1 else signal.SIGKILL)
