"""What the scans of a run are told: what is tested, where advisories come from, where the run writes."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.defects import Added, Change, Scanner
from harness.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """advisories: a snapshot to be used instead of asking online. outputs: the run's journal.

    workspace: where temporary files go, the system's own place when not given.

    rehearsal: the self-test, which takes place on the day of the snapshot: so its counterexamples hold on a
    machine without an advisory service, while a real run weighs the data by their real age.
    """

    target: Target | None = None
    advisories: Path | None = None
    outputs: Path | None = None
    workspace: Path | None = None
    rehearsal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The part of a deployment's defects that is planted where the scanners look, and not in the server."""

    changes: tuple[Change, ...]

    def files(self, place: str, secrets: Mapping[str, str]) -> dict[str, str]:
        """Return the files to be added in a place, by path."""
        return {
            change.path: string.Template(change.text).safe_substitute(secrets)
            for change in self.changes
            if isinstance(change, Added) and change.place == place
        }

    def fault(self, tool: str) -> str:
        """Return what is the matter with a scanner: "blind", "stale" or ""."""
        return next((c.fault for c in self.changes if isinstance(c, Scanner) and c.tool == tool), "")


def write(files: Mapping[str, str], folder: Path) -> Iterable[str]:
    """Write files below a folder; return their paths."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return files.keys()
