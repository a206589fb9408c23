"""What a proof is bound to: the files that its check depends on, in named parts with a digest each.

harness        the core, which runs for every check, with catalogue and policies
server         panotti/, its contract and its profiles
requirements   the locked dependencies
configuration  pytest's
images         what the images are made from; only for a proof made on `containers`. The images' own digests
               differ from machine to machine.
probes         the probes and engines that the check's suite uses
scenarios      the load journeys, where it uses them
reports        where it makes a report, to search it
scans          triage and advisories, where it scans
suite          the check's module, with what it imports from the suites
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from harness.ledger.imports import Reach
from harness.ledger.tree import Tree

_SERVER: Final = ("panotti", "deploy/contract.toml", "deploy/profiles")
_NOT_IMAGES: Final = (*_SERVER, "deploy/packages.sh")  # that one says what the machine itself needs
_ADVISORIES: Final = "harness/scans/data"
_SCANNERS: Final = "harness.scans."

Parts = Mapping[str, tuple[str, ...]]


class Bindings:
    """The bindings of all checks below a root, as the files are at this moment.

    Raises `UserError` where a module cannot be parsed.
    """

    def __init__(self, root: Path) -> None:
        self.tree = Tree(root)
        self._reach = Reach(root)
        self._own: dict[str, Parts] = {}
        self._digests: dict[tuple[str, ...], str] = {}
        tree = self.tree
        self._everywhere: Parts = {
            "harness": self._core(),
            "server": tree.below(*_SERVER),
            "requirements": tree.below("requirements"),
            "configuration": tree.below("pyproject.toml", "conftest.py"),
        }
        others = tree.below(*_NOT_IMAGES)
        self._images = tuple(path for path in tree.below("deploy") if path not in others)

    def parts(self, check: str, runtime: str) -> Parts:
        """Return the files of each part that a check depends on, the widest part first.

        Empty where there is no such check's module.
        """
        module = module_of(check)
        if not self._reach.knows(module):
            return {}
        if module not in self._own:
            self._own[module] = self._parts_of(self._reach.of(module))
        images = {"images": self._images} if runtime == "containers" else {}
        return {**self._everywhere, **images, **self._own[module]}

    def of(self, check: str, runtime: str) -> dict[str, str]:
        """Return the digest of each part."""
        return {part: self._digest(paths) for part, paths in self.parts(check, runtime).items()}

    def _core(self) -> tuple[str, ...]:
        """Return the core's modules, and every other file of the library but the advisories."""
        shipped = set(self.tree.below("harness")) - set(self.tree.below(_ADVISORIES))
        data = {path for path in shipped if not path.endswith(".py")}
        return tuple(sorted(data.union(map(self._reach.file, self._reach.core))))

    def _parts_of(self, modules: Iterable[str]) -> Parts:
        def below(package: str) -> tuple[str, ...]:
            found = (module for module in modules if module.partition(".")[0] == package)
            return tuple(sorted(map(self._reach.file, found)))

        reports = self.tree.below("reports") if below("reports") else ()
        scans = any(module.startswith(_SCANNERS) for module in modules)
        parts = {
            "probes": below("harness"),
            "scenarios": below("scenarios"),
            "reports": reports,
            "scans": self.tree.below("triage.toml", _ADVISORIES) if scans else (),
            "suite": below("suites"),
        }
        return {part: paths for part, paths in parts.items() if paths}

    def _digest(self, paths: tuple[str, ...]) -> str:
        if paths not in self._digests:
            self._digests[paths] = self.tree.digest(paths)
        return self._digests[paths]


def module_of(check: str) -> str:
    """Return the module of a check by its node id."""
    return check.partition("::")[0].removesuffix(".py").replace("/", ".")
