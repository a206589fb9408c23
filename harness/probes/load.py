"""Load on one deployment: planned arrivals from a process of their own, and what they came to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from harness.contract import Contract
from harness.evidence import record, waiting_for_target
from harness.load.levels import broken, error_share, rows, undelivered, unfit
from harness.load.order import Order, keys_for, reach_of
from harness.load.records import LoadResult
from harness.load.running import find_scenario, generate
from harness.outcome import costs
from harness.policy import Policy
from harness.probes.pace import Pace
from harness.records import Json, Measurement, Observation
from harness.runtimes import Deployment

_TRIES: Final = 3  # of a measurement that other work on the machine has spoilt
_CONFIRMED: Final = 2  # measurements in which a level does not hold


class LoadProbe:
    """Puts load on one deployment. quiet: a block in which nothing else of the run uses the machine."""

    def __init__(
        self,
        deployment: Deployment,
        *,
        policy: Policy,
        contract: Contract,
        pace: Pace,
        quiet: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._deployment = deployment
        self._policy = policy
        self._contract = contract
        self._pace = pace
        self._quiet = quiet
        self._measured: LoadResult | None = None

    def run(
        self, scenario: str = "steady", *, rate: float | None = None, for_s: float | None = None
    ) -> LoadResult:
        """Run a scenario, by name or by its locustfile, and record what it came to.

        rate, for_s: requests a second at the plan's height, and its length; the service levels' if not given.
        """
        levels = self._policy.service_levels
        height = levels.rate if rate is None else rate
        order = Order(
            reach=reach_of(self._deployment, self._contract),
            rate=height,
            for_s=levels.for_s if for_s is None else for_s,
            keys=keys_for(height, self._policy),
        )
        quota = self._policy.rate.address
        window = min(int(height * quota.window_s) + order.keys + 1, quota.quota)
        self._pace.take("load", window)  # what other checks have sent counts against the same quota
        with waiting_for_target():
            result = generate(find_scenario(scenario), order)
        self._pace.take("load", window)
        self._record(result)
        return result

    def measured(self) -> LoadResult:
        """Return a steady run at the policy's rate on a quiet machine; the checks of a deployment share one.

        One that other work has spoilt is tried again, and so, once, is one in which a level does not hold:
        what else runs on a machine can only add to a latency.
        """
        costs("measuring")
        if self._measured is not None:
            self._record(self._measured)
            return self._measured
        levels, doubts = self._policy.service_levels, 0
        for _ in range(_TRIES):
            with self._quiet():
                result = self.run()
            if unfit(result, levels):
                continue
            doubts += 1
            if doubts == _CONFIRMED or not broken(result, levels):
                break
        self._measured = result
        return result

    def delivered(self, requests: int) -> LoadResult:
        """Return a run of as many requests, for what no clock decides: the answers, and what is stored.

        The measured one where there is one. Errors beside other work are looked at again on a quiet machine.
        """
        if self._measured is not None:
            self._record(self._measured)
            return self._measured
        levels = self._policy.service_levels
        for_s = requests / levels.rate
        result = self.run(for_s=for_s)
        if undelivered(result) or error_share(result) > levels.error_share:
            with self._quiet():
                result = self.run(for_s=for_s)
        return result

    def _record(self, result: LoadResult) -> None:
        levels = self._policy.service_levels
        errors: dict[str, Json] = dict(list(result.errors.items())[:5])
        record(
            Observation(
                subject=f"load: {result.scenario}, {result.rate:g} requests a second for {result.for_s:g} s",
                data={
                    "planned": result.planned,
                    "begun": result.offered,
                    "answered": result.completed,
                    "failed": result.failed,
                    "errors": errors,
                    "generator_late_p99_ms": round(result.lag_ms, 3),
                    "generator_late_max_ms": round(result.longest_lag_ms, 3),
                    "machine_idle": result.idle,
                    "elapsed_s": result.elapsed_s,
                },
            )
        )
        for row in rows(result, levels):
            bounds = f"p95 {row.level.p95_ms:g}, p99 {row.level.p99_ms:g}" if row.level else ""
            times: dict[str, Json] = {"p50": row.p50, "p95": row.p95, "p99": row.p99, "max": row.longest}
            record(
                Measurement(
                    name=f"latency of the step '{row.step}', from when it was due",
                    value=row.p99,
                    unit="ms (p99)",
                    samples=row.samples,
                    bound=bounds,
                    detail=times,
                )
            )
        if not result.judged:
            return
        tail, latency = levels.tail, result.latency
        record(
            Measurement(
                name=f"requests that took longer than {tail.most_ms:g} ms, all steps",
                value=latency.over(tail.most_ms),
                unit="",
                samples=latency.count,
                bound=f"at most {tail.share:.2%}",
            )
        )
