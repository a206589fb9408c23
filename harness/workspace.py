"""One run's identity and private directory, and the watchdog that removes both if the harness is killed."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from harness import watchdog
from harness.errors import RuntimeUnavailable

DIRECTORY_VARIABLE = "HARNESS_WORKSPACE"


class Workspace:
    """The run id, and a directory (mode 0700) for secrets, certificates and overlays.

    Whoever opens it first owns it. Its children inherit HARNESS_RUN_ID and HARNESS_WORKSPACE, and join.
    """

    def __init__(self, run_id: str, root: Path, guard: subprocess.Popen[str] | None) -> None:
        self.run_id = run_id
        self.root = root
        self._guard = guard
        self._closers = ExitStack()
        self._numbers = count(1)
        self._lock = threading.Lock()

    @classmethod
    def open(cls, run_id: str | None = None) -> Self:
        """Join the workspace of the parent process, or make one. Raises `RuntimeUnavailable`: disk full."""
        joined, root = os.environ.get(watchdog.RUN_VARIABLE), os.environ.get(DIRECTORY_VARIABLE)
        if joined and root and Path(root).is_dir() and run_id in (None, joined):
            return cls(joined, Path(root), None)
        return cls._create(run_id or new_run_id())

    @classmethod
    def _create(cls, run_id: str) -> Self:
        root = Path(tempfile.gettempdir()) / f"panotti-{run_id}"
        guard = _start_watchdog(run_id, root)
        try:
            root.mkdir(mode=0o700)
        except OSError as cause:
            _dismiss(guard)
            raise RuntimeUnavailable(
                f"{root}: cannot be made: {cause.strerror}",
                remedy="Free some space, or name another directory by TMPDIR.",
            ) from None
        os.environ[watchdog.RUN_VARIABLE] = run_id
        os.environ[DIRECTORY_VARIABLE] = str(root)
        return cls(run_id, root, guard)

    @property
    def owner(self) -> bool:
        """Whether closing this workspace ends the run; a process that joined leaves it alone."""
        return self._guard is not None

    def folder(self, name: str) -> Path:
        """Make a new directory (mode 0700) whose name begins with `name`."""
        with self._lock:
            path = self.root / f"{name}-{os.getpid()}-{next(self._numbers)}"
        path.mkdir(mode=0o700, parents=True)
        return path

    def on_close(self, closer: Callable[[], None]) -> None:
        """Call `closer` before the directory is removed; the last one registered comes first."""
        self._closers.callback(closer)

    def close(self) -> None:
        """Close what was registered; the owner removes the directory. Safe to call twice.

        What a part of the run that was killed has left goes too. Where a closer fails, the watchdog takes
        over: it removes what is left.
        """
        try:
            self._closers.close()
        except BaseException:
            self._release(clean=False)
            raise
        self._release(clean=True)

    def detach(self) -> None:
        """Leave everything up, and the directory where it is; `discard` with the run id removes it later."""
        self._closers.pop_all()
        if self._guard is not None:
            _dismiss(self._guard)
            self._guard = None
        _forget(self.run_id)

    def _release(self, *, clean: bool) -> None:
        guard, self._guard = self._guard, None
        if guard is None:
            return
        if clean:
            watchdog.sweep(self.run_id, self.root)
            _dismiss(guard)
        elif guard.stdin is not None:
            guard.stdin.close()
            guard.wait()
        _forget(self.run_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def new_run_id() -> str:
    """Return a fresh run id that sorts by time: 20261124T020905-a3f91c."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def directory_of(run_id: str) -> Path:
    """Return where the workspace of a run stands on this machine."""
    return Path(tempfile.gettempdir()) / f"panotti-{run_id}"


def discard(run_id: str) -> None:
    """Remove everything of a run that was left up by `detach`."""
    watchdog.sweep(run_id, directory_of(run_id))


def _forget(run_id: str) -> None:
    if os.environ.get(watchdog.RUN_VARIABLE) == run_id:
        del os.environ[watchdog.RUN_VARIABLE]
        os.environ.pop(DIRECTORY_VARIABLE, None)


def _start_watchdog(run_id: str, root: Path) -> subprocess.Popen[str]:
    # -I -S: no site packages, which would take most of its start. Its own session: Ctrl-C does not reach it.
    guard = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", watchdog.__file__, run_id, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
        env={name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ},
    )
    if guard.stdout is None or guard.stdout.readline().strip() != watchdog.READY:
        guard.kill()
        guard.communicate()
        raise RuntimeUnavailable("the watchdog did not start", remedy="Check that this Python runs scripts.")
    guard.stdout.close()
    return guard


def _dismiss(guard: subprocess.Popen[str]) -> None:
    if guard.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            guard.stdin.write(f"{watchdog.GOODBYE}\n")
            guard.stdin.close()
    guard.wait()
