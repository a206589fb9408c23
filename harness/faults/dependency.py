"""A dependency of the server lost, hung, and given back: its embedded databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from harness.errors import ProbeFailed
from harness.evidence import record
from harness.probes.database import FILE
from harness.probes.inside import run_inside
from harness.records import Observation
from harness.runtimes import Deployment

DependencyName = Literal["database", "counters"]
_FOLDERS: Final[dict[DependencyName, tuple[Literal["data", "state"], str]]] = {
    "database": ("data", FILE),
    "counters": ("state", "counters.db"),
}
_HELD_AT_MOST_S = 120  # a lock whose check was killed goes away by itself


class Dependency:
    """One dependency of one deployment. Raises NotVerified where it cannot be reached."""

    def __init__(self, deployment: Deployment, name: DependencyName) -> None:
        self.name = name
        self.state: Literal["present", "lost", "hung"] = "present"
        self._deployment = deployment

    @property
    def _file(self) -> str:
        folder, name = _FOLDERS[self.name]
        return f"{self._deployment.path(folder)}/{name}"

    def lose(self) -> None:
        """Take the file away, as if its volume were gone."""
        self._expect(
            run_inside(self._deployment, "lose_file", "lose", self._file), "False", "was not taken away"
        )
        self._now("lost")

    def hang(self) -> None:
        """Hold the write lock from another process: whoever writes waits."""
        answer = run_inside(self._deployment, "hold_lock", "hold", self._file, str(_HELD_AT_MOST_S))
        self._expect(answer, "held", "could not be locked")
        self._now("hung")

    def restore(self) -> None:
        """Give it back. Safe to call when it was never taken."""
        if self.state == "lost":
            answer = run_inside(self._deployment, "lose_file", "restore", self._file)
            self._expect(answer, "True", "did not come back")
        elif self.state == "hung":
            run_inside(self._deployment, "hold_lock", "release", self._file, "0")
        else:
            return
        self._now("present")

    @contextmanager
    def lost(self) -> Iterator[None]:
        """Lost inside the block."""
        self.lose()
        try:
            yield
        finally:
            self.restore()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Hung inside the block."""
        self.hang()
        try:
            yield
        finally:
            self.restore()

    def _expect(self, answer: str, expected: str, otherwise: str) -> None:
        if answer.strip() != expected:
            raise ProbeFailed(f"fault not applied: the {self.name} at {self._file} {otherwise}")

    def _now(self, state: Literal["present", "lost", "hung"]) -> None:
        self.state = state
        record(Observation(subject=f"fault: {self.name} is {state}", data={"file": self._file}))


class Faults:
    """The faults of one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._dependencies: dict[DependencyName, Dependency] = {}

    def dependency(self, name: DependencyName) -> Dependency:
        """Return the dependency of that name."""
        return self._dependencies.setdefault(name, Dependency(self._deployment, name))

    def restore(self) -> None:
        """Take every fault back."""
        for dependency in self._dependencies.values():
            dependency.restore()
