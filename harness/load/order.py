"""What the generator is told: how to reach a deployment, and how much to ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Final, Literal

import orjson

from harness.contract import Contract
from harness.errors import UserError
from harness.policy import Policy
from harness.policy.levels import ServiceLevels
from harness.runtimes import Deployment
from harness.tomlfile import Closed, to_record

# Of a key's quota. The rest is for a generator that catches up on a late start.
_SHARE: Final = 0.5
_PATHS: Final = {
    "started": "recordings.started",
    "ended": "recordings.ended",
    "read": "recordings.read",
    "list": "recordings.list",
    "keys": "administration.api_keys",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach(Closed):
    """How one deployment is reached. It holds a secret: it is kept in files of mode 0600 only.

    host: for the Host header and the certificate. ca_file: the root to trust, "" for this machine's own.
    key: an administrator's, or the only one there is. paths: by name, only those that the target has.
    """

    base_url: str
    host: str
    ca_file: str = ""
    key: str
    auth_header: str
    paths: Mapping[str, str]


# Service levels: on latencies, on the share of errors, and both.
Kind = Literal["latency", "errors", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness(Closed):
    """How the witness beside a target is reached. how: in words, for the evidence."""

    base_url: str
    host: str
    ca_file: str = ""
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Closed):
    """One run. rate: requests a second, at the plan's height. keys: over how many they are spread.

    profile: whose service levels are told at the end, "" for none. levels, kind: the run ends as soon as the
    levels of that kind are decided. witness: is asked as often as the target. other: a second deployment,
    which is asked for the same at the same moments. moments: the file of a `harness.disturbance.watch`.
    """

    reach: Reach
    rate: float
    for_s: float
    keys: int
    profile: str = ""
    levels: ServiceLevels | None = None
    kind: Kind = "all"
    witness: Witness | None = None
    other: Reach | None = None
    moments: str = ""

    def __post_init__(self) -> None:
        for name, value in (("rate", self.rate), ("for", self.for_s)):
            if not 0 < value < float("inf"):
                raise UserError(f"--{name} {value:g}: it has to be above zero", remedy="Give such a number.")


def paths_of(contract: Contract) -> dict[str, str]:
    """Return the paths that a journey uses, without those that the contract does not name."""
    found = {}
    for name, dotted in _PATHS.items():
        capability, _, key = dotted.partition(".")
        part = getattr(contract.capabilities, capability)
        path = getattr(part, key) if part is not None else None
        if path:
            found[name] = f"{contract.http.base_path}{path}"
    return found


def reach_of(deployment: Deployment, contract: Contract) -> Reach:
    """Return how a deployment is reached."""
    return Reach(
        base_url=deployment.base_url,
        host=deployment.host_name,
        ca_file=str(deployment.ca_file or ""),
        key=deployment.api_key,
        auth_header=contract.http.auth_header,
        paths=paths_of(contract),
    )


def keys_for(rate: float, policy: Policy) -> int:
    """Return over how many keys a rate is spread, so that the answers are not refusals."""
    quota = policy.rate.key
    return max(2, ceil(rate / (quota.quota / quota.window_s * _SHARE)))


def read_reach(path: Path) -> Reach:
    """Return what `harness.secretly` wrote. Raises `UserError`."""
    return to_record(Reach, _tables(path), source=path, remedy="Bring the deployment up again.")


def read_order(path: Path) -> Order:
    """Return what `harness.secretly` wrote. Raises `UserError`."""
    return to_record(Order, _tables(path), source=path, remedy="Run `harness load` again.")


def secret_from(path: Path) -> str:
    """Return the key in a file. Raises `UserError` where others may read it, or where it holds none."""
    try:
        mode, text = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as cause:
        raise UserError(f"{path}: {cause}", remedy="Name a file that holds the key.") from None
    if mode & 0o077:
        raise UserError(f"{path}: others on this machine may read it", remedy=f"Run: chmod 600 {path}")
    if not text or len(text.split()) != 1:
        raise UserError(f"{path}: it is not one key", remedy="Write the key into it, and nothing else.")
    return text


def _tables(path: Path) -> object:
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as cause:
        raise UserError(f"{path}: {cause}", remedy="Bring the deployment up again.") from None
