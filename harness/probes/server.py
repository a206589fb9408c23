"""The server's processes from outside: told to stop, killed, and seen to end."""

from __future__ import annotations

import signal
import time

from harness.errors import ProbeFailed
from harness.evidence import record, waiting_for_target
from harness.records import Observation
from harness.runtimes import Deployment


class ServerProbe:
    """The processes of one deployment. Raises CannotShow where the runtime has no hold on them."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def terminate(self) -> None:
        """Send SIGTERM to the main process, as an orchestrator does."""
        self._deployment.terminate()
        record(Observation(subject="SIGTERM sent to the main process", data={}))

    def kill(self, pid: int) -> None:
        """Send SIGKILL to the worker that calls itself `pid`. Raises ProbeFailed when there is none."""
        self._deployment.kill(pid, signal.SIGKILL)
        record(Observation(subject=f"SIGKILL sent to worker {pid}", data={}))

    def exit_status(self, within_s: float) -> int | None:
        """Wait for the main process to end; return its exit status, None while it still runs."""
        started = time.perf_counter()
        status: int | None
        with waiting_for_target():
            try:
                status = self._deployment.wait_exit(within_s)
            except ProbeFailed:
                status = None
        elapsed_s = round(time.perf_counter() - started, 3)
        record(Observation(subject="end of the main process", data={"status": status, "after_s": elapsed_s}))
        return status
