"""What `process` and `containers` do alike: bring one up, wait until it is ready, keep count, clear away."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from harness.errors import DeploymentFailed
from harness.journal import now
from harness.records import Event, Json
from harness.runtimes import CannotShow, Deployment, RuntimeName, Specification, StartFailure
from harness.runtimes.joined import may_join
from harness.runtimes.launch import Plan, plan
from harness.runtimes.pki import Authority
from harness.runtimes.readiness import Door, await_ready
from harness.runtimes.slots import slot
from harness.target import Target
from harness.turns import together
from harness.workspace import Workspace

if TYPE_CHECKING:
    from harness.runtimes.workshop import Workshop

Progress = Callable[[Event], None]
_TRIES = 3
_LAST_LINES = 25
_PORT_TAKEN = ("address already in use", "errno 98", "port is already allocated")


class Starting(Protocol):
    """What was started and is not yet known to be ready."""

    door: Door
    started_in_s: float

    def exit_status(self) -> int | None:
        """Exit status of the main process; None while it runs."""
        ...

    def holds_port(self) -> bool:
        """Whether it is this deployment, and the whole of it, that answers at its door."""
        ...

    def settle(self) -> None:
        """Do what is due once it is ready."""
        ...

    def explain(self, failure: StartFailure) -> StartFailure:
        """What is known better of a failed start."""
        ...

    def logs(self) -> str:
        """Everything the server has printed so far."""
        ...

    def stop(self) -> None:
        """End it and remove everything that belonged to it. Safe to call twice."""
        ...


class Launched(Starting, Deployment, Protocol):
    """A deployment that was started."""


@runtime_checkable
class Host(Protocol):
    """A deployment that one server more can join."""

    specification: Specification
    plan: Plan

    def join(self, plan: Plan) -> Starting:
        """Start one server beside its own, with its stores and secrets, where no request gets to it."""
        ...


S = TypeVar("S", bound=Starting)


class LocalRuntime(ABC):
    """A runtime that starts the target itself. Safe to use from several threads."""

    name: RuntimeName
    replicated = False

    def __init__(self, target: Target, workspace: Workspace, progress: Progress) -> None:
        self.target = target
        self.workspace = workspace
        self.progress = progress
        self.authority = Authority()
        self.ca_file = workspace.folder("ca") / "root.pem"
        self.ca_file.write_bytes(self.authority.certificate)
        self._up: list[Starting] = []
        self._lock = threading.Lock()
        self._prepared = False
        workspace.on_close(self.close)

    def prepare(self) -> None:
        """Do once what all deployments share. Safe to call from several threads and twice."""
        with self._lock:
            if not self._prepared:
                self._prepare()
                self._prepared = True

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _launch(self, plan: Plan) -> Launched: ...

    @abstractmethod
    def _release(self) -> None: ...

    def start(self, specification: Specification) -> Deployment:
        """Bring one up and return it ready. Raises `DeploymentFailed` with the last log lines."""
        self.prepare()
        planned = plan(self.target, specification, self.authority, replicated=self.replicated)
        within_s = self.target.contract.launch.ready_within_s
        launched, failure = self._bring_up(partial(self._launch, planned), within_s)
        if failure is None:
            self._tell("deployment.ready", specification, launched.started_in_s, **self._how(launched))
            return launched
        how = self._how(launched)
        self._tell("deployment.failed", specification, launched.started_in_s, status=failure.status, **how)
        raise _failed(self.name, specification, failure, self.target.contract.launch.ready_path)

    def try_start(
        self, specification: Specification, *, timeout_s: float, beside: Deployment | None = None
    ) -> StartFailure | None:
        """Start one that is expected not to come up; None when it did become ready (it is stopped again)."""
        self.prepare()
        host = _host(beside, specification)
        made = host.plan.made if host else None
        planned = plan(self.target, specification, self.authority, replicated=self.replicated, made=made)
        launch: Callable[[Plan], Starting] = host.join if host else self._launch
        tried, failure = self._bring_up(partial(launch, planned), timeout_s)
        if failure is None:
            tried.stop()
        return failure

    def try_build(self, specification: Specification) -> str | None:
        """Build with a package that is not the lock's; return the refusal, None when it was built."""
        raise CannotShow(f"the runtime {self.name} builds no image of {specification.profile}")

    def workshop(self, profile: str) -> Workshop:
        """Return where images of other releases of the target are made."""
        raise CannotShow(f"the runtime {self.name} builds no image of {profile}")

    def close(self) -> None:
        """Stop every deployment still up and what they shared. Safe to call twice."""
        with self._lock:
            up, self._up = self._up, []
        for launched in reversed(up):  # first what joined another
            launched.stop()
        self._release()

    def _bring_up(self, launch: Callable[[], S], timeout_s: float) -> tuple[S, StartFailure | None]:
        """Start it; when a port was taken by another process in between, start it on another one."""
        for attempt in range(1, _TRIES + 1):
            launched, failure = self._once(launch, timeout_s)
            if failure is None or attempt == _TRIES or not _port_taken(failure):
                return launched, failure
        raise AssertionError("unreachable: the last try returns")

    def _once(self, launch: Callable[[], S], timeout_s: float) -> tuple[S, StartFailure | None]:
        with self.turn():
            began = time.monotonic()
            launched = launch()
            with self._lock:
                self._up.append(launched)
            try:
                failure = await_ready(
                    launched.door,
                    exited=launched.exit_status,
                    output=launched.logs,
                    timeout_s=timeout_s,
                    ours=launched.holds_port,
                )
            except BaseException:
                launched.stop()
                raise
            launched.started_in_s = time.monotonic() - began
        if failure is None:
            launched.settle()
            return launched, None
        failure = launched.explain(failure)
        launched.stop()
        return launched, failure

    def _how(self, launched: Starting) -> dict[str, Json]:
        """What the journal is to tell of the way in which one was started."""
        del launched
        return {}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold a turn for a start: not beside a measurement, nor beside more starts than processors."""
        with together(self.workspace.root, "starts"), slot(self.workspace.root):
            yield

    def forget(self, launched: Starting) -> None:
        """Drop what was stopped."""
        with self._lock:
            if launched in self._up:
                self._up.remove(launched)

    def _tell(self, name: str, specification: Specification, seconds: float, **detail: Json) -> None:
        detail = {"runtime": self.name, "variation": specification.variation.title, **detail}
        self.progress(
            Event(name=name, profile=specification.profile, seconds=seconds, detail=detail, at=now())
        )


def _host(standing: object, specification: Specification) -> Host | None:
    """What a start can join; None where it needs a deployment of its own."""
    if isinstance(standing, Host) and may_join(specification, standing.specification):
        return standing
    return None


def _port_taken(failure: StartFailure) -> bool:
    return failure.status is not None and any(sign in failure.output.lower() for sign in _PORT_TAKEN)


def _failed(
    runtime: str, specification: Specification, failure: StartFailure, ready_path: str
) -> DeploymentFailed:
    who = f"its {failure.part}" if failure.part else "it"
    if failure.status is not None:
        what = f"{who} ended with status {failure.status} before it was ready"
    elif failure.part:
        what = f"{who} did not become healthy in time"
    else:
        what = f"it did not answer {ready_path} with 2xx in time"
    lines = failure.output.rstrip().splitlines()[-_LAST_LINES:]
    shown = "\n".join(f"  | {line}" for line in lines) or "  | (it printed nothing)"
    title = f" ({specification.variation.title})" if specification.variation.title else ""
    return DeploymentFailed(
        f"{specification.profile}{title} on {runtime}: {what}; its last lines:\n{shown}",
        remedy="Correct what the lines name; [launch] in the contract file says how it is started.",
    )
