"""Where the parts are put together: targets, policies, runtimes and sites by name."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from harness import costs, places
from harness.catalogue import load
from harness.declare import Declaration
from harness.errors import UserError
from harness.journal import now
from harness.ledger import audit, loading
from harness.ledger.loading import Proofs
from harness.options import Options, validate
from harness.planning import CHEAPEST_FIRST, Case, Need, Refusal, need
from harness.policy import Policy, load_policies
from harness.profiles import PROFILES
from harness.records import Event, Json, Run
from harness.runtimes import Runtime, RuntimeName
from harness.runtimes.factory import detect, runtime_for, silent
from harness.scans.advisories import read_snapshot
from harness.spared import Origin
from harness.target import Address, Target, parse_target
from harness.waiver import Waiver, read_waivers
from harness.workspace import Workspace

WAIVERS = "waivers.toml"
_TOLD = (
    *("pytest", "pytest-xdist", "httpx", "sslyze", "playwright", "testcontainers", "cryptography"),
    *("bandit", "pip-audit", "detect-secrets", "schemathesis", "hypothesis"),
)


class Assembly:
    """Everything a run needs that is read from files before it starts. Raises `UserError`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.catalogue = load()
        validate(options, self.catalogue)
        self.target: Target = parse_target(options.target, options.contract)
        self.policies: Mapping[str, Policy] = load_policies(options.policy)
        self.waivers = self._waivers()
        for profile in self.profiles:
            if snapshot := self.advisories(profile):
                read_snapshot(snapshot)
        if isinstance(self.target, Address) and len(options.profiles) != 1:
            raise UserError(
                f"{self.target.label} is one deployment: in which profile is it to be judged?",
                remedy=f"Name one: --profile {' or '.join(PROFILES)}.",
            )
        self.costs = costs.load(places.SUITES)
        self.controls = tuple(control.id for control in self.catalogue.match(options.controls or ("*",)))

    @property
    def kind(self) -> Literal["verify", "selftest"]:
        return "selftest" if self.options.selftest else "verify"

    @property
    def profiles(self) -> tuple[str, ...]:
        return self.options.asked_profiles

    def advisories(self, profile: str) -> Path | None:
        """Return the snapshot of advisories that was given for a profile."""
        named = self.policies[profile].scans.advisories
        return self.options.advisories or (Path(named).absolute() if named else None)

    @cached_property
    def runtimes(self) -> tuple[RuntimeName, ...]:
        """The runtimes to try a check on, the preferred one first."""
        if self.options.runtime:
            return (self.options.runtime,)
        if self.options.selftest and not isinstance(self.target, Address):
            return CHEAPEST_FIRST
        return (detect(self.target),)

    def need(self, declaration: Declaration, case: Case) -> Need | Refusal:
        """Return the deployment for a case, or why it cannot be tried here."""
        found = need(declaration, case, self.runtimes)
        leave = self.options.intrusive or not declaration.intrusive
        if isinstance(found, Need) and found.runtime == "external" and not leave:
            return Refusal(reason="it floods, guesses or breaks what it tests: give leave with --intrusive")
        return found

    def excuse(self, declaration: Declaration, case: Case) -> str:
        """Return why the profile's policy does not ask for this control, "" when it does."""
        return str(self.policies[case.profile].not_applicable.get(declaration.control, ""))

    def inherited(self, declaration: Declaration, case: Case) -> Origin | None:
        """Return whose finding counts for this case too, None where it is to be tried itself.

        Only the runtime that can show the premise spares anything, and only a run of the whole suites.
        """
        policy = self.policies[case.profile]
        if policy.inherited is None or not self.options.whole or self.runtimes[0] != "containers":
            return None
        source, premise = policy.inherited.source, policy.inherited.premise
        there = source in self.profiles and (not declaration.profiles or source in declaration.profiles)
        if there and policy.inherits(declaration.control, self.policies[source]):
            return Origin(source=source, premise=premise)
        return None

    def runtime(self, name: RuntimeName, workspace: Workspace, progress: Callable[[Event], None]) -> Runtime:
        """Return the runtime of that name for the target."""
        own = self.options.own_target
        return runtime_for(name, self.target, workspace, progress=progress, own_this_target=own)

    def refuse_early(self, workspace: Workspace) -> None:
        """Say at once what would fail every check alike: no Docker, no key, another's machine.

        Raises `UserError` or `RuntimeUnavailable`.
        """
        if self.options.selftest:
            return
        runtime = self.runtime(self.runtimes[0], workspace, silent)
        if runtime.name == "external":
            runtime.prepare()

    def head(self, run_id: str) -> Run:
        """Return the head of a journal for this run."""
        kept = self._proofs()
        return Run(
            run_id=run_id,
            kind=self.kind,
            started=now(),
            profiles=self.profiles,
            runtime="+".join(self.runtimes),
            target=self.target.label,
            controls=self.options.controls,
            policy={name: _policy(self.policies[name]) for name in self.profiles},
            environment={**environment(places.PROJECT), **_of_ledger(kept)},
            waivers=tuple(waiver.record() for waiver in self.waivers),
            proofs=kept.proofs,
            stale=kept.stale,
            checks=kept.checks,
        )

    def _proofs(self) -> Proofs:
        """Return the proofs of the checks that are run. A self-test asks for none."""
        if self.options.selftest:
            return Proofs()
        if (self.options.suites or places.SUITES).resolve() != places.SUITES:
            return Proofs(note="no proofs: the ledger has those of the project's own checks alone")
        return loading.load(places.PROJECT)

    def _waivers(self) -> Sequence[Waiver]:
        path = self.options.waivers or places.PROJECT / WAIVERS
        if self.options.waivers is None and not path.is_file():
            return ()
        return read_waivers(path, self.catalogue)


def environment(root: Path) -> dict[str, Json]:
    """Return what a run was made with: versions, revision and machine."""
    return {
        "revision": _git(root, "rev-parse", "HEAD") or "unknown",
        "changed": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {name: _version(name) for name in _TOLD},
    }


def _of_ledger(kept: Proofs) -> dict[str, Json]:
    """Return what the head says of the ledger: what is wrong with it, and its last audit."""
    last = audit.last(places.BUILD, places.PROJECT) if kept.proofs or kept.stale else {}
    disagrees: dict[str, Json] = {"disagrees": kept.disagreement} if kept.disagreement else {}
    told: dict[str, Json] = {"proofs": kept.note, "audit": {**last, **disagrees}}
    return {name: value for name, value in told.items() if value}


def _policy(policy: Policy) -> dict[str, Json]:
    return {
        "sha256": policy.sha256,
        "source": policy.source,
        "required": list(policy.required),
        "not_applicable": dict(policy.not_applicable),
    }


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *words],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
