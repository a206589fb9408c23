"""What the processes of a deployment may do, as the kernel says it of each (proc(5), capabilities(7))."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from harness.evidence import record
from harness.probes.inside import run_inside
from harness.records import Observation
from harness.runtimes import Deployment

# A command that Docker is about to run there, a health check's say: it has not given its rights up yet.
_ENTERING: Final = "runc:["


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRights:
    """One process. uids: real, effective, saved, file system. capabilities: each set, as proc(5) names it."""

    pid: int
    name: str
    uids: tuple[int, ...]
    capabilities: Mapping[str, int]
    no_new_privs: bool


def process_rights(deployment: Deployment) -> tuple[ProcessRights, ...]:
    """Return the rights of every process where the server runs. Raises NotVerified where none can be seen."""
    answer = json.loads(run_inside(deployment, "rights"))
    record(Observation(subject="rights of the processes", data={"processes": answer["processes"]}))
    return tuple(
        _rights(int(pid), fields)
        for pid, fields in sorted(answer["processes"].items())
        if not fields["Name"].startswith(_ENTERING)
    )


def tried_writes(deployment: Deployment, folders: Sequence[str]) -> Mapping[str, str | None]:
    """Make a folder in each of `folders`, as the server's user: None where it could, else the error's name.

    A read-only file system answers EROFS before anybody's rights are looked at (mkdir(2)).
    """
    writes: dict[str, Any] = json.loads(run_inside(deployment, "rights", *folders))["writes"]
    record(Observation(subject="writing, by folder", data={**writes}))
    return writes


def _rights(pid: int, fields: Mapping[str, str]) -> ProcessRights:
    return ProcessRights(
        pid=pid,
        name=fields["Name"],
        uids=tuple(int(uid) for uid in fields["Uid"].split()),
        capabilities={name: int(value, 16) for name, value in fields.items() if name.startswith("Cap")},
        no_new_privs=fields.get("NoNewPrivs") == "1",
    )
