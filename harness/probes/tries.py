"""Starts and builds of the target beside a deployment of it, tried for how they end."""

from __future__ import annotations

import itertools
import time
from typing import Final

from harness.defects import Variation
from harness.evidence import record, waiting_for_target
from harness.records import Json, Observation
from harness.redaction import VAULT
from harness.runtimes import Deployment, Runtime, Specification, StartFailure

_TAIL: Final = 2000  # characters of what was said that evidence keeps
_COUNT = itertools.count(1)


class TryProbe:
    """Starts and builds one deployment's target anew, with all that was planted in the deployment."""

    def __init__(self, deployment: Deployment, runtime: Runtime) -> None:
        self._deployment = deployment
        self._runtime = runtime

    def start(self, variation: Variation, timeout_s: float = 20.0) -> StartFailure | None:
        """Start this target anew with `variation` added; return how it failed, None when it became ready."""
        planted = self._deployment.specification
        specification = Specification(
            profile=planted.profile,
            variation=planted.variation + variation,
            instance=f"try-{next(_COUNT)}",
        )
        began = time.perf_counter()
        with waiting_for_target():
            failure = self._runtime.try_start(specification, timeout_s=timeout_s, beside=self._deployment)
        record(
            Observation(
                subject=f"start tried with {variation.title or 'no change'}",
                data={
                    "started": failure is None,
                    "status": failure.status if failure else None,
                    "output": VAULT.message(failure.output[-_TAIL:]) if failure else "",
                    "elapsed_s": round(time.perf_counter() - began, 2),
                },
            )
        )
        return failure

    def build(self) -> str | None:
        """Build this target's image with a package that is not the lock's, of the same name and version.

        Return what refused it, None when it was built.
        """
        with waiting_for_target():
            refusal = self._runtime.try_build(self._deployment.specification)
        data: dict[str, Json] = {"built": refusal is None, "output": VAULT.message((refusal or "")[-_TAIL:])}
        record(Observation(subject="build tried with a package that is not the lock's", data=data))
        return refusal
