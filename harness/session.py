"""One process's share of a run: its segment of the journal, its deployments, its trials. Knows no pytest."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

from harness import journal, places, spared, turns
from harness.assembly import Assembly
from harness.declared import DeclaredCheck
from harness.deployments import Deployments
from harness.errors import HarnessError
from harness.evidence import waited
from harness.journal import JournalFull, Writer, now
from harness.outcome import not_applicable, not_verified
from harness.planning import Need, Refusal, twin
from harness.records import UNSOUND, Event
from harness.redaction import VAULT
from harness.runtimes import Runtime, RuntimeName
from harness.scans.setup import Setup
from harness.site import Site
from harness.trial import Trial
from harness.workspace import Workspace

JOURNALS = "journals"
PLANNED = "planned"


class Session:
    """Opened once a process. owner: it began the journal, and seals it; others join with a segment."""

    def __init__(self, assembly: Assembly, *, directory: Path | None, segment: str) -> None:
        self.assembly = assembly
        self.workspace = Workspace.open()
        self.owner = directory is None or not (directory / journal.HEAD).is_file()
        where = directory or places.BUILD / JOURNALS / self.workspace.run_id
        try:
            self.writer = self._begin(where) if self.owner else journal.join(where, segment)
        except HarnessError:
            self.workspace.close()
            raise
        self.failure: JournalFull | None = None
        self.deployments = Deployments({}, self._runtime)
        self._setup = Setup(
            target=assembly.target,
            outputs=self.writer.directory,
            workspace=self.workspace.root,
            rehearsal=assembly.options.selftest,
        )
        self._runtimes: dict[RuntimeName, Runtime] = {}
        self._sites: dict[tuple[str, ...], Site] = {}
        self._used: list[Site] = []
        self._lock = Lock()
        self._turn = ExitStack()
        self._alone = False

    def open(self) -> None:
        """Say at once what would fail every check alike."""
        self.assembly.refuse_early(self.workspace)

    @property
    def directory(self) -> Path:
        """The journal's directory."""
        return self.writer.directory

    def _begin(self, where: Path) -> Writer:
        return journal.create(where, self.assembly.head(self.workspace.run_id))

    def tell(self, event: Event) -> None:
        """Write an event. A full disk is kept in `failure`: a thread that starts a deployment may tell."""
        try:
            self.writer.write(event)
        except JournalFull as full:
            self.failure = self.failure or full

    def declare(self, checks: Sequence[DeclaredCheck]) -> None:
        """Write down which checks exist, whatever is then selected of them."""
        for check in checks:
            self.tell(check.event(now()))

    def plan(self, trials: Mapping[str, Trial], *, announce: bool) -> None:
        """Take the items in the order in which they will run. announce: write down how many there are."""
        needs = {
            item: trial.need
            for item, trial in trials.items()
            if isinstance(trial.need, Need) and not self.assembly.excuse(trial.declaration, trial.case)
        }
        self.deployments = Deployments(needs, self._runtime, self._leave)
        if announce:
            for profile, items in Counter(trial.case.profile for trial in trials.values()).items():
                self.tell(Event(name=PLANNED, profile=profile, at=now(), detail={"items": items}))

    def admit(self, trial: Trial) -> None:
        """End a trial that policy, runtime or missing leave rule out. Raises an outcome."""
        if excuse := self.assembly.excuse(trial.declaration, trial.case):
            not_applicable(excuse)
        if isinstance(trial.need, Refusal):
            not_verified(trial.need.reason)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a turn for a check, beside the checks of the run's other processes."""
        self._turn.enter_context(turns.together(self.workspace.root, "checks"))
        try:
            yield
        finally:
            self._turn.close()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Have the machine to itself: no other check of the run, no start. The wait for it is demanded.

        Inside of such a block another one changes nothing.
        """
        if self._alone:
            yield
            return
        began = time.perf_counter()
        self._turn.close()
        try:
            with turns.alone(self.workspace.root):
                waited("demanded", began, time.perf_counter())
                self._alone = True
                yield
        finally:
            self._alone = False
            began = time.perf_counter()
            self._turn.enter_context(turns.together(self.workspace.root, "checks"))
            waited("demanded", began, time.perf_counter())

    @contextmanager
    def again(self) -> Iterator[None]:
        """Have the machine for another try of the trial at hand, what the last one left taken back."""
        for site in self._used:
            site.forget()
        with self.quiet():
            yield

    def site(self, trial: Trial) -> Site:
        """Return what a check holds, once its deployment is up; the wait is the deployment's time."""
        needed = trial.need
        assert isinstance(needed, Need), "a refused trial ends before it asks for a deployment"
        site = self._site(trial, needed)
        site.plant(needed.planted)
        return site

    def settle(self, item: str) -> None:
        """Take back what a trial left behind, and let go of its deployment."""
        settled = [site.settle() for site in self._used]
        self._used.clear()
        self.deployments.release(item, spoiled=not all(settled))

    def finish(self, trial: Trial) -> None:
        """Write a trial's finding. Raises `JournalFull`."""
        assembly = self.assembly
        if trial.spared:
            self.tell(spared.left_out(trial.check, trial.case.profile, trial.left_out))
        else:
            self.writer.write(trial.finding(target=assembly.target.label, command=assembly.options.command()))
        if self.failure:
            raise self.failure

    def close(self) -> None:
        """Stop the deployments, end the segment, leave the workspace. Safe to call twice."""
        self.deployments.close()
        try:
            for runtime in self._runtimes.values():
                runtime.close()
        except HarnessError as error:
            self.tell(Event(name=UNSOUND, at=now(), detail={"what": VAULT.text(str(error))}))
            raise
        finally:
            if self.failure is None:
                self.writer.end()
            self.workspace.close()

    def _site(self, trial: Trial, needed: Need) -> Site:
        """Return the deployment's site, which its checks share; twins are those of the trial at hand."""
        began = time.perf_counter()
        try:
            deployment = self.deployments.get(needed)
        finally:
            trial.deployment_s += time.perf_counter() - began
        twin_of = partial(self._twin, trial, needed.runtime)
        site = self._sites.get(needed.key)
        if site is not None and site.deployment is not deployment:
            site.close()
            site = None
        if site is None:
            site = self._sites[needed.key] = Site(
                deployment=deployment,
                policy=self.assembly.policies[needed.specification.profile],
                contract=self.assembly.target.contract,
                runtime=self._runtime(needed.runtime),
                twin=twin_of,
                quiet=self.quiet,
                setup=replace(self._setup, advisories=self.assembly.advisories(needed.specification.profile)),
            )
        site.twin = twin_of
        self._used.append(site)
        return site

    def _twin(self, trial: Trial, runtime: RuntimeName, profile: str) -> Site:
        return self._site(trial, twin(trial.declaration, trial.case, profile, runtime))

    def _leave(self, needed: Need) -> None:
        site = self._sites.pop(needed.key, None)
        if site is not None:
            site.close()

    def _runtime(self, name: RuntimeName) -> Runtime:
        with self._lock:
            if name not in self._runtimes:
                self._runtimes[name] = self.assembly.runtime(name, self.workspace, self.tell)
            return self._runtimes[name]


def segment_name(profiles: Sequence[str], worker: str) -> str:
    """Return a name for this process's segment: `production-gw0-4711`."""
    label = profiles[0] if len(profiles) == 1 else "all"
    return "-".join(part for part in (label, worker, str(os.getpid())) if part)
