"""What a deployment's main process is started from, and what can be done with it once it runs."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is run. code: the folder of the target's package."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    python: str
    directory: Path
    code: Path
    port: int
    redirect_port: int | None


class Started(Protocol):
    """A process that leads a session of its own; a `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        ...

    def wait(self, timeout: float | None = None) -> int:
        """Exit status. Raises `subprocess.TimeoutExpired` after `timeout` seconds."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """Send a signal, unless it is known to have ended."""
        ...


def start(program: Program, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a program of its own, which prints to `log` and reads nothing."""
    return subprocess.Popen(  # noqa: S603
        program.argv,
        env=program.environment,
        cwd=program.directory,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
