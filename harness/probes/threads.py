"""Which threads of the server's processes did work, by the processor time that the kernel counts for each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.evidence import record
from harness.probes.inside import run_inside
from harness.records import Json, Observation
from harness.runtimes import Deployment

_LEAST_S = 0.02
_SHARE = 0.2  # of the busiest thread's time: a thread that only hands work over uses far less


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadUse:
    """One process during a while. main_s: its main thread's time. busy: the other threads that did work."""

    pid: int
    main_s: float
    busy: Mapping[int, float]


class ThreadsProbe:
    """Watches the threads of one deployment's processes."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def watch(self, pids: Sequence[int], *, work_s: float, within_s: float) -> tuple[ThreadUse, ...]:
        """Watch until the processes have used `work_s` of processor time, at most `within_s`.

        Raises NotVerified where the runtime cannot look into the server's processes.
        """
        arguments = (str(work_s), str(within_s), *map(str, pids))
        printed = run_inside(self._deployment, "watch_threads", *arguments, timeout_s=within_s + 10)
        uses = tuple(_use(int(pid), threads) for pid, threads in json.loads(printed).items())
        for use in uses:
            busy: list[Json] = [round(used, 3) for used in use.busy.values()]
            record(
                Observation(
                    subject=f"threads of process {use.pid} that worked",
                    data={"busy_s": busy, "main_s": round(use.main_s, 3)},
                )
            )
        return uses


def _use(pid: int, threads: Mapping[str, float]) -> ThreadUse:
    others = {int(tid): used for tid, used in threads.items() if int(tid) != pid}
    least = max(_LEAST_S, _SHARE * max(others.values(), default=0.0))
    busy = {tid: used for tid, used in others.items() if used >= least}
    return ThreadUse(pid=pid, main_s=threads.get(str(pid), 0.0), busy=busy)
