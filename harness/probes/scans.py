"""The scanners on one deployment: its code and packages as they are there, its source, what the run wrote."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from harness import places
from harness.evidence import record
from harness.outcome import NotVerified, not_verified
from harness.probes.inside import run_inside
from harness.probes.needles import Needles, needles
from harness.probes.packages import PackageProbe
from harness.records import Json, Observation
from harness.runtimes import CannotShow, Deployment
from harness.scans import Scan
from harness.scans.advisories import Snapshot
from harness.scans.audit import audit
from harness.scans.code import scan_code
from harness.scans.packed import unpacked
from harness.scans.repository import clone, commit, history, tree
from harness.scans.secrets import Text, scan_secrets
from harness.scans.service import Service, advisories, served
from harness.scans.setup import Planted, Setup, write
from harness.scans.tables import findings_tables, packages_table, scanners_table
from harness.scans.triage import read_triage
from harness.target import Address, Image, Reference, Source

_READ_S: Final = 30.0
_LARGEST: Final = 2_000_000  # bytes of one file of code
_SHOWN: Final = 10
_BLIND_RULES: Final = "B101"  # one of bandit's rules, which sees asserts only
_LONG_AGO: Final = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What is known of the packages. source: of the advisories; age_days: of the newest of them."""

    scan: Scan
    source: str
    age_days: int


class ScanProbe:
    """Each scan is made once for a deployment, and is evidence for every check that asks for it.

    Raises NotVerified where there is nothing to be scanned.
    """

    def __init__(self, deployment: Deployment, packages: PackageProbe, setup: Setup) -> None:
        self._deployment = deployment
        self._packages = packages
        self._setup = setup
        self._planted = Planted(changes=deployment.specification.variation.changes)
        self._made: dict[str, Scan] = {}
        self._age_days = 0
        self._source_name = ""

    def code(self) -> Scan:
        """Let bandit read the server's code as it stands there."""
        return self._once("code", self._code)

    def tree(self) -> Scan:
        """Search the source tree for secrets."""
        return self._once("source tree", self._tree)

    def history(self) -> Scan:
        """Search every line that the source's history ever held."""
        return self._once("history", self._history)

    def outputs(self) -> Scan:
        """Search the run's own journal so far, and the reports made of it."""
        return self._once("outputs", self._outputs)

    def text(self, name: str, content: bytes) -> Scan:
        """Search what a program wrote: for the run's own secrets, and for what issuers hand out."""
        self._made.pop(name, None)
        return self._once(name, lambda: self._text(name, content))

    def audit(self, own: Sequence[str] = ()) -> Audit:
        """Ask pip-audit about every package that is installed, but for the project's own."""
        scan = self._once("packages", lambda: self._audit(own))
        return Audit(scan=scan, source=self._source_name, age_days=self._age_days)

    def tables(self, own: Sequence[str] = ()) -> None:
        """Record for the report what all scans came to; make those first that can be made and are not yet.

        In the self-test there is no page to be drawn.
        """
        if self._setup.rehearsal:
            return
        for make in (self.code, lambda: self.audit(own), self.tree, self.history):
            with contextlib.suppress(NotVerified):
                make()
        if "packages" in self._made:
            record(
                packages_table(self._packages.all(), self._packages.lock_if_known(), self._made["packages"])
            )
        record(scanners_table(self._made))
        for table in findings_tables(self._made):
            record(table)

    def _audit(self, own: Sequence[str]) -> Scan:
        packages = [package for package in self._packages.all() if package.canonical not in own]
        with self._advisories() as (service, today), self._workspace("audit") as workspace:
            self._source_name, self._age_days = service.name, (today - service.taken).days
            scan = audit(packages, service, workspace)
        if self._age_days < -1:  # a day for clocks that differ
            wrong = f"{service.name} is dated {-self._age_days} days in the future"
            return replace(scan, missed=(*scan.missed, wrong))
        return scan

    @contextmanager
    def _advisories(self) -> Iterator[tuple[Service, datetime]]:
        """Yield where advisories come from, and the day on which they are asked for."""
        fault = self._planted.fault("pip-audit")
        if fault == "blind":
            now = datetime.now(UTC)
            with served(Snapshot(name="an empty database", taken=now, advisories={})) as service:
                yield service, now
            return
        with advisories(self._setup.advisories, online=not self._setup.rehearsal) as service:
            today = service.taken if self._setup.rehearsal else datetime.now(UTC)
            yield service, today + (_LONG_AGO if fault == "stale" else timedelta())

    def _code(self) -> Scan:
        try:
            folder = self._deployment.path("code")
        except CannotShow as cause:
            raise NotVerified(str(cause)) from None
        told = run_inside(self._deployment, "read_code", folder, str(_LARGEST), timeout_s=_READ_S)
        answer = json.loads(told)
        files = {path: base64.b64decode(text) for path, text in answer.items() if text is not None}
        unread = tuple(f"{path}: it cannot be read" for path, text in answer.items() if text is None)
        rules = _BLIND_RULES if self._planted.fault("bandit") == "blind" else ""
        with self._workspace("code") as workspace:
            scan = scan_code(files, workspace, rules=rules)
        return replace(scan, missed=(*scan.missed, *unread))

    def _tree(self) -> Scan:
        root = self._source()
        with self._workspace("tree") as workspace:
            added = workspace / "added"
            more = [Text(place=path, file=added / path) for path in write(self._files("tree"), added)]
            return self._searched([*tree(root), *more], workspace)

    def _history(self) -> Scan:
        root, files = self._source(), self._files("history")
        with self._workspace("history") as workspace:
            if files:
                root = _with_history(root, workspace / "clone", files)
            added = workspace / "added"
            found = history(root, added)
            if found is None:
                not_verified(f"git knows no history of {root.name}")
            scan = self._searched(found.texts, workspace, what="files of the history")
        cut = ("the history is cut off, as in a shallow clone",) if found.cut else ()
        counted = {"commits": found.commits, **scan.scanned}
        return replace(scan, scanned=counted, missed=(*scan.missed, *cut))

    def _text(self, name: str, content: bytes) -> Scan:
        with self._workspace("text") as workspace:
            file = workspace / "content.txt"
            file.write_bytes(content)
            scan = self._searched([Text(place=name, file=file)], workspace, guesses=False)
        return replace(scan, scanned={"bytes": len(content)})

    def _outputs(self) -> Scan:
        journal = self._setup.outputs
        if journal is None:
            not_verified("this run keeps no journal")
        with self._workspace("outputs") as workspace:
            reports = workspace / "reports"
            reports.mkdir()
            formats = tuple(sorted(entry.name for entry in entry_points(group="harness.reports")))
            for entry in entry_points(group="harness.reporting", name="write_all"):
                entry.load()(journal, formats, reports)
            write(self._files("outputs"), reports)
            for page in reports.rglob("*.html"):
                page.write_bytes(unpacked(page.read_bytes()))
            files = [
                file for root in (journal, reports) for file in sorted(root.rglob("*")) if file.is_file()
            ]
            texts = [Text(place=f"{file.parent.name}/{file.name}", file=file) for file in files]
            return self._searched(texts, workspace, guesses=False)

    def _searched(
        self, texts: Sequence[Text], workspace: Path, *, what: str = "files", guesses: bool = True
    ) -> Scan:
        if not texts:
            not_verified("there is nothing to be searched")
        blind = self._planted.fault("detect-secrets") == "blind"
        return scan_secrets(texts, workspace, own=self._own, what=what, guesses=guesses, blind=blind)

    @cached_property
    def _own(self) -> Needles:
        return needles(self._deployment.secrets)

    def _files(self, place: str) -> dict[str, str]:
        return self._planted.files(place, self._deployment.secrets)

    def _source(self) -> Path:
        match self._setup.target:
            case Reference():
                return places.PROJECT
            case Source(folder=folder):
                return folder
            case Image() | Address() | None:
                raise NotVerified("the target's source is not known: give its folder (source:FOLDER)")

    @contextmanager
    def _workspace(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=self._setup.workspace) as folder:
            yield Path(folder)

    def _once(self, name: str, make: Callable[[], Scan]) -> Scan:
        if name not in self._made:
            scan = make()
            with contextlib.suppress(NotVerified):
                scan = scan.explained(read_triage(self._source()))
            self._made[name] = scan
        scan = self._made[name]
        data: dict[str, Json] = {
            "scanned": dict(scan.scanned),
            "data of": scan.data,
            "findings": len(scan.hits),
            "triaged": len(scan.hits) - len(scan.open),
            "open": [str(hit) for hit in scan.open[:_SHOWN]],
            "missed": [*scan.missed[:_SHOWN]],
        }
        record(Observation(subject=f"{scan.tool} {scan.version} on: {name}", data=data))
        return scan


def _with_history(root: Path, folder: Path, files: dict[str, str]) -> Path:
    """A clone in which files were committed, and removed again by the next commit."""
    copy = clone(root, folder)
    if copy is None:
        not_verified(f"git knows no history of {root.name}")
    write(files, copy)
    commit(copy, "settings")
    for path in files:
        (copy / path).unlink()
    commit(copy, "no settings")
    return copy
