"""Which runtime: the one asked for, or the one that this machine can do."""

from __future__ import annotations

from typing import assert_never

from harness.errors import RuntimeUnavailable
from harness.records import Event
from harness.runtimes import Runtime, RuntimeName
from harness.runtimes.bringup import Progress
from harness.runtimes.containers import ContainersRuntime
from harness.runtimes.engine import docker_answers
from harness.runtimes.external import ExternalRuntime
from harness.runtimes.process import ProcessRuntime
from harness.target import Address, Target
from harness.workspace import Workspace


def detect(target: Target | None = None) -> RuntimeName:
    """Return `external` for a URL, else `containers` where Docker answers, else `process`."""
    if isinstance(target, Address):
        return "external"
    return "containers" if docker_answers() else "process"


def silent(event: Event) -> None:
    """Take no notice of an event."""
    del event


def runtime_for(
    name: RuntimeName,
    target: Target,
    workspace: Workspace,
    *,
    progress: Progress = silent,
    own_this_target: bool = False,
) -> Runtime:
    """Return a runtime of `target`; nothing is started yet.

    Raises `UserError` where target and runtime do not fit, `RuntimeUnavailable` where Docker does not answer.
    """
    match name:
        case "containers":
            if not docker_answers():
                raise RuntimeUnavailable(
                    "Docker does not answer", remedy="Start Docker, or use --runtime process."
                )
            return ContainersRuntime(target, workspace, progress)
        case "process":
            return ProcessRuntime(target, workspace, progress)
        case "external":
            return ExternalRuntime(target, progress, own_this_target=own_this_target)
        case _:
            assert_never(name)
