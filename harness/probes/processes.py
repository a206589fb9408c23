"""The server's processes as its own machine lists them: arguments, environment, files open for writing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from harness.evidence import record
from harness.probes.inside import run_inside
from harness.records import Json, Observation
from harness.redaction import VAULT
from harness.runtimes import Deployment

_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProcess:
    """arguments, environment: as /proc shows them, parts ended by NUL. writes: regular files, by path."""

    pid: int
    arguments: bytes
    environment: bytes = field(repr=False)
    writes: tuple[str, ...] = ()

    @property
    def variables(self) -> dict[str, str]:
        """The environment by name."""
        parts = (part.decode("utf-8", "replace") for part in self.environment.split(b"\0") if part)
        return {name: value for name, _, value in (part.partition("=") for part in parts)}


class ProcessProbe:
    """Lists the processes of one deployment. Raises NotVerified where the runtime cannot."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def all(self) -> list[ServerProcess]:
        """Return those that can be seen; none where the server works in another directory."""
        listed = json.loads(run_inside(self._deployment, "list_processes"))
        found = [
            ServerProcess(
                pid=pid,
                arguments=bytes.fromhex(arguments),
                environment=bytes.fromhex(environment),
                writes=tuple(writes),
            )
            for pid, arguments, environment, writes in listed
        ]
        shown: list[Json] = [
            {
                "pid": one.pid,
                "command": VAULT.text(one.arguments.replace(b"\0", b" ").decode("utf-8", "replace").strip()),
                "variables": [*sorted(one.variables)],
                "writes": [*one.writes],
            }
            for one in found[:_SHOWN]
        ]
        record(Observation(subject=f"{len(found)} processes of the server", data={"processes": shown}))
        return found
