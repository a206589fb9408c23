"""Which modules run when a check is tried, from the import graph.

A suite's imports are only half of it: a check looks at its deployment through attributes of `Site`, and each
of them leads to a probe with an engine behind it. So there are two kinds of modules:

- the core, which runs for every check: all that `harness.plugin` imports, except through `Site`;
- what one check adds: its suite with everything imported there, and what stands behind those attributes of
  `Site` that are mentioned there. Which attributes there are, and what stands behind each, is read from the
  source of `Site`.

In doubt a module counts: any mention of a name is taken for a use of `Site`. Two things do not count. A
module that only speaks of a run (`AFTERWARDS`) decides no trial. And `harness.site` imports every probe, also
for a check that uses none: a mistake at import ends the run with an error, it makes nothing pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import grimp
from grimp.application.config import settings
from grimp.application.ports.packagefinder import AbstractPackageFinder
from grimp.exceptions import SourceSyntaxError

from harness.errors import UserError
from harness.ledger.attributes import attributes_of, mentioned
from harness.tomlfile import read_toml

PACKAGES: Final = ("harness", "suites", "scenarios", "reports")
SITE: Final = "harness.site"
# What runs a check, and what says whether a defect was caught.
ROOTS: Final = ("harness.plugin", "harness.proof")
# They choose what is tried, keep what came of it and show it.
AFTERWARDS: Final = ("harness.summary", "harness.ledger")
# A program (`-m harness.load.generator`), a folder of files to run, or a group of entry points.
_NAMED: Final = re.compile(r"[\"'](harness(?:\.\w+)+|scenarios)[\"']")
_PROGRAM: Final = re.compile(r"[\"'](\w+)\.py[\"']")


class Reach:
    """The import graph below a root. Raises `UserError` where a module cannot be parsed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._graph = _graph(root)
        self._texts = {name: self._read(name) for name in self._graph.modules}
        self._behind = attributes_of(self._texts[SITE], "Site", self._texts.keys())
        self._words: dict[str, frozenset[str]] = {}
        self._cut()
        self._add_named(_entry_points(root))
        self.core = self._grown(ROOTS, self._names_site)

    def knows(self, module: str) -> bool:
        """Whether there is such a module."""
        return module in self._texts

    def file(self, module: str) -> str:
        """Return the path of a module's source below the root."""
        path = module.replace(".", "/")
        return f"{path}/__init__.py" if (self._root / path).is_dir() else f"{path}.py"

    def of(self, suite: str) -> frozenset[str]:
        """Return the modules that run for the checks of a suite's module, beside the core."""
        return self._grown((suite,), self._may_use_site) - self.core

    def _grown(self, roots: Iterable[str], counts: Callable[[str], bool]) -> frozenset[str]:
        """Return all that is imported from the roots on, and what stands behind what is mentioned there."""
        reached: frozenset[str] = frozenset()
        more = self._imported_by(roots)
        while more - reached:
            reached |= more
            words = {word for module in reached if counts(module) for word in self._mentioned(module)}
            more = self._imported_by(self._modules_behind(words))
        return reached

    def _names_site(self, module: str) -> bool:
        """Whether a module can hold a `Site`: those that do name its type."""
        return module != SITE and SITE in self._texts[module]

    def _may_use_site(self, module: str) -> bool:
        return module not in self.core and (module.startswith("suites.") or self._names_site(module))

    def _mentioned(self, module: str) -> frozenset[str]:
        if module not in self._words:
            self._words[module] = mentioned(self._texts[module])
        return self._words[module]

    def _modules_behind(self, words: Iterable[str]) -> frozenset[str]:
        """Return what stands behind attributes of `Site`, and behind those that these use in turn."""
        seen: set[str] = set()
        left = [*words]
        while left:
            name = left.pop()
            if name in self._behind and name not in seen:
                seen.add(name)
                left += self._behind[name].uses
        return frozenset(module for name in seen for module in self._behind[name].modules)

    def _imported_by(self, modules: Iterable[str]) -> frozenset[str]:
        upstream = (self._graph.find_upstream_modules(module) for module in modules)
        return frozenset(modules).union(*upstream)

    def _read(self, module: str) -> str:
        path = self._root / self.file(module)
        return path.read_text(encoding="utf-8") if path.is_file() else ""  # a folder without __init__.py

    def _cut(self) -> None:
        for name in AFTERWARDS:
            for module in (name, *self._graph.find_descendants(name)):
                self._graph.remove_module(module)
        for module in frozenset().union(*(behind.modules for behind in self._behind.values())):
            self._graph.remove_import(importer=SITE, imported=module)

    def _add_named(self, entry_points: Mapping[str, Iterable[str]]) -> None:
        """Add what grimp does not see: packages around a module, and modules named by a text."""
        for module in self._graph.modules:
            text = self._texts[module]
            named = {name for found in _NAMED.findall(text) for name in entry_points.get(found, (found,))}
            for name in named & self._graph.modules:
                self._add(module, {name, *self._graph.find_descendants(name)})
            self._add(module, self._beside(module) if "__file__" in text else ())
            self._add(module, {module.rpartition(".")[0]} & self._graph.modules)

    def _beside(self, module: str) -> frozenset[str]:
        """Return the programs that a module finds by its own path: a package any of its own."""
        if self.file(module).endswith("__init__.py"):
            return frozenset(self._graph.find_children(module))
        package = module.rpartition(".")[0]
        named = {f"{package}.{name}" for name in _PROGRAM.findall(self._texts[module])}
        return frozenset(named & self._graph.modules)

    def _add(self, importer: str, imported: Iterable[str]) -> None:
        for module in imported:
            if module != importer:
                self._graph.add_import(importer=importer, imported=module)


def _graph(root: Path) -> grimp.ImportGraph:
    settings.configure(PACKAGE_FINDER=_Below(root))
    try:
        return grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    except SourceSyntaxError as wrong:
        raise UserError(str(wrong), remedy="Correct it.") from None


def _entry_points(root: Path) -> Mapping[str, frozenset[str]]:
    """Return the modules of each group of entry points that the project declares."""
    groups = read_toml(root / "pyproject.toml")["project"]["entry-points"]
    return {
        group: frozenset(str(target).partition(":")[0] for target in targets.values())
        for group, targets in groups.items()
    }


class _Below(AbstractPackageFinder):
    """Finds packages below a root, whatever Python has imported under their names."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def determine_package_directories(self, package_name: str, file_system: object) -> set[str]:
        del file_system
        return {str(self._root / package_name)}
