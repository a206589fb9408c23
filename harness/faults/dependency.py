"""A dependency of the server lost, hung, and given back: an embedded database, or a container beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal

from harness.errors import ProbeFailed, RuntimeUnavailable
from harness.evidence import record
from harness.outcome import floor
from harness.probes.database import FILE
from harness.probes.inside import run_inside
from harness.records import Observation
from harness.runtimes import CannotShow, Deployment

if TYPE_CHECKING:
    from harness.runtimes.part import Part

DependencyName = Literal["database", "counters"]
_FOLDERS: Final[dict[DependencyName, tuple[Literal["data", "state"], str]]] = {
    "database": ("data", FILE),
    "counters": ("state", "counters.db"),
}
_FREEZES: Final = 3
_HELD_AT_MOST_S = 120  # a lock whose check was killed goes away by itself


class _File:
    """A dependency that is a file of the server's. Raises NotVerified where it cannot be reached."""

    def __init__(self, deployment: Deployment, name: DependencyName) -> None:
        self._deployment = deployment
        folder, file = _FOLDERS[name]
        self.place = f"{deployment.path(folder)}/{file}"

    def lose(self) -> bool:
        """Take the file away, as if its volume were gone."""
        return self._run("lose_file", "lose", self.place) == "False"

    def hang(self) -> bool:
        """Hold the write lock from another process: whoever writes waits."""
        return self._run("hold_lock", "hold", self.place, str(_HELD_AT_MOST_S)) == "held"

    def find(self) -> bool:
        """Undo `lose`."""
        return self._run("lose_file", "restore", self.place) == "True"

    def release(self) -> bool:
        """Undo `hang`."""
        self._run("hold_lock", "release", self.place, "0")
        return True

    def _run(self, *words: str) -> str:
        return run_inside(self._deployment, *words).strip()


class _Container:
    """A dependency that is a container beside the server."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self.place = part.service

    def lose(self) -> bool:
        """Take it out of its networks: its name and its address are gone."""
        self._part.cut_off()
        return not self._part.addresses()

    def hang(self) -> bool:
        """Freeze it: connections stay open, and nothing answers.

        Docker's runtime gives up where processes begin faster than it freezes them, as on a busy machine.
        """
        for _ in range(_FREEZES):
            with suppress(RuntimeUnavailable):
                self._part.pause()
            if self._part.attributes()["State"]["Paused"]:
                return True
        return False

    def find(self) -> bool:
        """Undo `lose`."""
        self._part.reconnect()
        return bool(self._part.addresses())

    def release(self) -> bool:
        """Undo `hang`."""
        self._part.resume()
        return not self._part.attributes()["State"]["Paused"]


class Dependency:
    """One dependency of one deployment.

    Raises NotVerified where it cannot be reached, or a fault does not take hold.
    """

    def __init__(self, deployment: Deployment, name: DependencyName) -> None:
        self.name = name
        self.state: Literal["present", "lost", "hung"] = "present"
        self._deployment = deployment

    @property
    def _means(self) -> _File | _Container:
        try:
            return _Container(self._deployment.parts(self.name)[0])
        except CannotShow:
            return _File(self._deployment, self.name)

    def lose(self) -> None:
        """Take it away."""
        means = self._means
        self._now("lost", means.place, means.lose(), "was not taken away")

    def hang(self) -> None:
        """Let it answer nothing any more."""
        means = self._means
        self._now("hung", means.place, means.hang(), "could not be locked")

    def restore(self) -> None:
        """Give it back. Safe to call when it was never taken."""
        means = self._means if self.state != "present" else None
        match self.state:
            case "lost" if means:
                self._now("present", means.place, means.find(), "did not come back")
            case "hung" if means:
                self._now("present", means.place, means.release(), "did not come back")
            case _:
                return

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

    def _now(
        self, state: Literal["present", "lost", "hung"], place: str, reached: object, otherwise: str
    ) -> None:
        if not reached and state == "present":
            raise ProbeFailed(f"the {self.name} at {place} {otherwise}")
        floor(reached, f"fault not applied: the {self.name} at {place} {otherwise}")
        self.state = state
        record(Observation(subject=f"fault: {self.name} is {state}", data={"at": place}))


class Faults:
    """The faults of one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._dependencies: dict[DependencyName, Dependency] = {}

    def dependency(self, name: DependencyName) -> Dependency:
        """Return the dependency of that name."""
        return self._dependencies.setdefault(name, Dependency(self._deployment, name))

    def restore(self) -> bool:
        """Take every fault back; return whether there may have been any since the last time."""
        used, self._dependencies = self._dependencies, {}
        for dependency in used.values():
            dependency.restore()
        return bool(used)
