"""Load on one deployment: planned arrivals from a process of their own, and what they came to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from harness.contract import Contract
from harness.evidence import record, waiting_for_target
from harness.load.decision import LONGEST, Decision, Level
from harness.load.levels import rows, undelivered
from harness.load.order import Kind, Order, Witness, keys_for, reach_of
from harness.load.records import LoadResult
from harness.load.running import find_scenario, generate
from harness.outcome import costs
from harness.policy import Policy
from harness.probes.pace import Pace
from harness.records import Json, Measurement, Observation
from harness.runtimes import Deployment

TRIES: Final = 3  # of a measurement that does not decide every level


@dataclass(slots=True)
class Measured:
    """What the service levels are decided on. tries: every run, whether or not it decided anything."""

    decision: Decision
    tries: list[LoadResult] = field(default_factory=list)

    def take(self, result: LoadResult) -> None:
        """Take one more try."""
        self.tries.append(result)
        self.decision.take_all(result)

    def decided(self, kind: Kind) -> bool:
        """Whether there is a verdict."""
        return self.decision.decided(kind)

    def broken(self, kind: Kind) -> tuple[Level, ...]:
        """Return the levels of a kind that the target does not keep."""
        return self.decision.broken(kind)

    def undecided(self, kind: Kind) -> str:
        """Return why there is no verdict, "" where there is one."""
        if self.decision.broken(kind):
            return ""
        return self.decision.undecided(kind) or next(filter(None, map(undelivered, self.tries)), "")


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
        self._measured = Measured(Decision(policy.service_levels))

    def run(
        self,
        scenario: str = "steady",
        *,
        rate: float | None = None,
        for_s: float | None = None,
        witness: Witness | None = None,
        kind: Kind = "all",
    ) -> LoadResult:
        """Run a scenario, by name or by its locustfile, and record what it came to.

        rate, for_s: requests a second at the plan's height, and its length; the service levels' if not given.
        witness: stands beside the target; the run ends as soon as the service levels of a kind are decided.
        """
        levels = self._policy.service_levels
        height = levels.rate if rate is None else rate
        order = Order(
            reach=reach_of(self._deployment, self._contract),
            rate=height,
            for_s=levels.for_s if for_s is None else for_s,
            keys=keys_for(height, self._policy),
            levels=levels if witness else None,
            kind=kind,
            witness=witness,
        )
        quota = self._policy.rate.address
        window = min(int(height * quota.window_s) + order.keys + 1, quota.quota)
        self._pace.take("load", window)  # what other checks have sent counts against the same quota
        with waiting_for_target():
            result = generate(find_scenario(scenario), order)
        self._pace.take("load", window)
        self._record(result)
        return result

    def measured(self, kind: Kind = "all") -> Measured:
        """Return what steady runs at the policy's rate came to; the checks of a deployment share them.

        Each run has a witness, and no other check of the harness's run, beside it. Where the first does
        not decide every level, others go on where it ended: the evidence of all is one, so that another try
        makes no verdict more likely than one long run.

        kind: of the levels that are to be decided.
        """
        costs("measuring")
        levels, measured = self._policy.service_levels, self._measured
        for result in measured.tries:
            self._record(result)
        if measured.decided(kind) or len(measured.tries) >= TRIES:
            return measured
        with self._deployment.witness() as witness:
            while not measured.decided(kind) and len(measured.tries) < TRIES:
                with self._quiet():
                    result = self.run(for_s=LONGEST * levels.for_s, witness=witness, kind=kind)
                measured.take(result)
        return measured

    def delivered(self, requests: int) -> LoadResult:
        """Return a run of as many requests, for what no clock decides: what is stored.

        The last one that was measured where it has as many. At the depth `gate` nothing is measured, and
        a run for this alone would decide a control of which the rest is left out.
        """
        costs("measuring")
        for last in self._measured.tries[-1:]:
            if not undelivered(last) and last.offered >= requests:
                self._record(last)
                return last
        for_s = requests / self._policy.service_levels.rate
        result = self.run(for_s=for_s)
        if undelivered(result):
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
