"""A runtime without a server: its deployments are records of what was asked for and when it was stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.defects import Variation
from harness.errors import DeploymentFailed, UserError
from harness.evidence import record
from harness.journal import now
from harness.records import Event, Observation
from harness.runtimes import RuntimeName, Specification, StartFailure


@dataclass
class FakeDeployment:
    """What a check sees of a deployment: the settings planted in it."""

    specification: Specification
    runtime: RuntimeName
    on_stop: Callable[[FakeDeployment], None]
    base_url: str = "https://127.0.0.1:1"
    plain_url: str | None = None
    host_name: str = "panotti.test"
    ca_file: Path | None = None
    api_key: str = "key"
    secrets: Mapping[str, str] = field(default_factory=dict)
    started_in_s: float = 0.0
    stopped: bool = False
    renewed: int = 0
    refusal: Exception | None = None

    def renew(self) -> None:
        if self.refusal:
            raise self.refusal
        self.renewed += 1

    @property
    def settings(self) -> dict[str, str | None]:
        return {change.key: change.value for change in self.specification.variation.changes}  # type: ignore[union-attr]

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.on_stop(self)


class FakeRuntime:
    """Starts at once, or waits for `gate`; refuses a variation whose settings say BROKEN."""

    def __init__(
        self, name: RuntimeName = "process", progress: Callable[[Event], None] | None = None
    ) -> None:
        self.name = name
        self.progress = progress or (lambda event: None)
        self.asked: list[Specification] = []
        self.started: list[FakeDeployment] = []
        self.stopped: list[FakeDeployment] = []
        self.closed = 0
        self.gate = threading.Event()
        self.gate.set()
        self.starting = threading.Semaphore(0)
        self.log = Path(os.environ["FAKE_RUNTIME_LOG"]) if "FAKE_RUNTIME_LOG" in os.environ else None

    def prepare(self) -> None:
        if self.name == "external":
            raise UserError("no key for the target", remedy="Give one.")

    def start(self, specification: Specification) -> FakeDeployment:
        self.asked.append(specification)
        self.starting.release()
        self.gate.wait()
        deployment = FakeDeployment(specification, self.name, self._stopped)
        if "BROKEN" in deployment.settings:
            raise DeploymentFailed("it ended with status 3; its last lines:\n  | boom", remedy="Mend it.")
        self.started.append(deployment)
        self._note("start", deployment)
        self.progress(Event(name="deployment.ready", profile=specification.profile, seconds=0.1, at=now()))
        return deployment

    def try_start(
        self, specification: Specification, *, timeout_s: float, beside: object = None
    ) -> StartFailure | None:
        return None

    def try_build(self, specification: Specification) -> str | None:
        return None

    def close(self) -> None:
        self.closed += 1
        for deployment in list(self.started):
            deployment.stop()

    def _stopped(self, deployment: FakeDeployment) -> None:
        self.stopped.append(deployment)
        self._note("stop", deployment)

    def _note(self, what: str, deployment: FakeDeployment) -> None:
        if self.log:
            key = "/".join(deployment.specification.key)
            with self.log.open("a") as file:
                file.write(f"{what} {os.getpid()} {key}\n")


class FakeSite:
    """What the little suites of these tests look at: a setting, seen as evidence."""

    def __init__(self, *, deployment: FakeDeployment, twin: Callable[[str], FakeSite], **others: Any) -> None:
        self.deployment = deployment
        self.twin = twin
        self.others = others

    def plant(self, planted: Variation) -> None:
        self.planted = planted

    def settle(self) -> bool:
        self.settled = getattr(self, "settled", 0) + 1
        return not getattr(self, "spoiled", False)

    def forget(self) -> None:
        self.settle()

    def close(self) -> None:
        assert not self.deployment.stopped

    def see(self, name: str) -> str | None:
        value = self.deployment.settings.get(name)
        record(Observation(subject="setting", data={"name": name, "value": value}))
        return value
