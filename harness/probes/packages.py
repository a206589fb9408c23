"""The packages that are installed where the server runs, and the lock that they were installed from."""

from __future__ import annotations

import contextlib
import json
import sys
from functools import cached_property
from typing import Final

from harness import places
from harness.evidence import record
from harness.outcome import NotVerified, not_verified
from harness.probes.inside import run_inside
from harness.records import Json, Observation
from harness.runtimes import CannotShow, Deployment
from harness.scans.audit import Package
from harness.scans.lock import Lock, lock_of, read_lock
from harness.scans.setup import Planted, Setup
from harness.target import Reference, Source

_READ_S: Final = 30.0
_SHOWN: Final = 10


class PackageProbe:
    """Looks once into a deployment, and is evidence for every check that asks. Raises NotVerified."""

    def __init__(self, deployment: Deployment, setup: Setup) -> None:
        self._deployment = deployment
        self._target = setup.target
        self._planted = Planted(changes=deployment.specification.variation.changes)

    def all(self) -> tuple[Package, ...]:
        """Return every package, as the server's own interpreter finds them: a first copy hides a second."""
        found = self._all
        told: list[Json] = [str(package) for package in found]
        record(Observation(subject=f"{len(found)} packages are installed", data={"packages": told}))
        return found

    def deployed(self) -> tuple[Package, ...]:
        """Return the packages without the harness's own, which a process shares its environment with."""
        if not isinstance(self._target, Reference):
            return self.all()
        ours = self.lock().pins.keys() - read_lock(places.REQUIREMENTS, python=self._python).pins.keys()
        return tuple(package for package in self.all() if package.canonical not in ours)

    def lock(self) -> Lock:
        """Return what the packages were installed from."""
        lock = self._lock
        data: dict[str, Json] = {"packages": len(lock.pins), "other lines": [*lock.others[:_SHOWN]]}
        record(Observation(subject=f"the lock {lock.name}", data=data))
        return lock

    def lock_if_known(self) -> Lock | None:
        """Return the lock, None where it cannot be known."""
        with contextlib.suppress(NotVerified):
            return self._lock
        return None

    @cached_property
    def _all(self) -> tuple[Package, ...]:
        lock = self.lock_if_known()
        wanted = "\n".join(lock.pins) if lock else ""
        answer = run_inside(self._deployment, "list_packages", stdin=wanted, timeout_s=_READ_S)
        listed = json.loads(answer)
        if isinstance(self._target, Source) and self._shares(listed["prefix"]):
            not_verified("as a process it shares the harness's environment: which packages are its own?")
        return tuple(
            Package(name=name, version=version, origin=origin, licences=tuple(told), altered=tuple(altered))
            for name, version, origin, told, altered in listed["packages"]
        )

    def _shares(self, prefix: str) -> bool:
        return self._deployment.runtime == "process" and prefix == sys.prefix

    @cached_property
    def _lock(self) -> Lock:
        try:
            path = lock_of(self._target, self._deployment.runtime)
            return read_lock(path, "\n".join(self._planted.files("lock", {}).values()), python=self._python)
        except (CannotShow, OSError) as cause:
            raise NotVerified(f"no lock: {cause}") from None

    @cached_property
    def _python(self) -> str:
        """The version of the server's interpreter, which decides what of a lock applies; "" is not known."""
        with contextlib.suppress(NotVerified):
            return run_inside(self._deployment, "python_version").strip()
        return ""
