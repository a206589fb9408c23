"""What `harness up` leaves behind: which deployments stand, and how each is reached."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson

from harness import places
from harness.contract import Contract
from harness.errors import UserError
from harness.load.order import Reach, reach_of, read_reach
from harness.runtimes import Deployment
from harness.secretly import write_secretly
from harness.workspace import Workspace

KEPT = places.BUILD / "up"
_REACH: Final = "reach.json"
_TOLD: Final = ("profile", "runtime", "url", "directory")


def keep(run: Workspace, deployment: Deployment, contract: Contract) -> None:
    """Remember a deployment. Its key stands in the run's private directory, which goes with it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    write_secretly(reach_of(deployment, contract), run.root / _REACH)
    told = {
        "profile": deployment.specification.profile,
        "runtime": deployment.runtime,
        "url": deployment.base_url,
        "directory": str(run.root),
    }
    (KEPT / f"{run.run_id}.json").write_bytes(orjson.dumps(told))


def standing() -> dict[str, Mapping[str, str]]:
    """Return what stands, by run, the oldest first."""
    return {path.stem: _read(path) for path in sorted(KEPT.glob("*.json"))}


def _read(path: Path) -> Mapping[str, str]:
    try:
        told = orjson.loads(path.read_bytes())
        return {name: str(told[name]) for name in _TOLD}
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        raise UserError(
            f"{path}: it does not say what stands",
            remedy="Remove this file; `harness doctor` names what is left behind.",
        ) from None


def forget(run_id: str) -> None:
    """Let go of a run that was removed, and of its releases."""
    (KEPT / f"{run_id}.json").unlink()
    ledger(run_id).unlink(missing_ok=True)


def ledger(run_id: str) -> Path:
    """Return where the releases of a run are remembered."""
    return KEPT / f"{run_id}.ledger"


def newest(profile: str) -> str:
    """Return the run of the newest deployment of a profile. Raises `UserError` where none stands."""
    runs = [run_id for run_id, told in standing().items() if told["profile"] == profile]
    if not runs:
        raise UserError(
            f"no deployment of {profile} is up",
            remedy=f"Bring one up (harness up {profile}), or name a server with --base-url.",
        )
    return runs[-1]


def reach(profile: str) -> Reach:
    """Return how the newest deployment of a profile is reached. Raises `UserError` where none stands."""
    return read_reach(Path(standing()[newest(profile)]["directory"]) / _REACH)
