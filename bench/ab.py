"""Whether a slower server is told from one that is not: real servers, compared side by side.

    python -m bench.ab [RUNS]

Each run brings up two deployments of the reference as processes, the second one with nothing changed, 20 %
slower at its p95, or with a stall of 40 ms on one request in a hundred. The generator asks both for the same
at the same moments. RUNS of each kind, 20 if not given.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness import places
from harness.contract import read_contract
from harness.defects import CLEAN, Variation, edit
from harness.load.comparison import Comparison
from harness.load.order import Order, keys_for, reach_of
from harness.load.running import find_scenario, generate
from harness.policy import load_policy
from harness.runtimes import Deployment, Specification
from harness.runtimes.factory import silent
from harness.runtimes.process import ProcessRuntime
from harness.target import parse_target
from harness.workspace import Workspace

RUNS, LEAST = 20, 0.95
ROUND_S, ROUNDS = 12.0, 7  # a comparison goes on until it is decided
PROFILE = "testing"
CONTEXT = "panotti/middleware/context.py"
BEGIN = "        answer = _Answer(scope, receive, send)\n"


def main(runs: int) -> int:
    """Compare, print the figures, return 0 where each is as promised."""
    with _runtime() as runtime:
        p95_ms = _p95_ms(runtime)
        kinds = {
            "the same": CLEAN,
            "20 % slower": _slower(0.2 * p95_ms / 1000),
            "a stall of 40 ms on 1 %": _stalling(),
        }
        good = True
        for name, variation in kinds.items():
            found = [_compared(runtime, variation) for _ in range(runs)]
            slower = sum(comparison.verdict == "slower" for comparison, _ in found)
            held = slower <= (1 - LEAST) * runs if variation is CLEAN else slower >= LEAST * runs
            seconds = sum(seconds for _, seconds in found) / runs
            told = ", ".join(sorted({comparison.verdict for comparison, _ in found}))
            print(  # noqa: T201
                f"{name}: called slower in {slower} of {runs} ({told}), {seconds:.0f} s each on average: "
                f"{'as promised' if held else 'NOT as promised'}"
            )
            good = good and held
    return 0 if good else 1


@contextmanager
def _runtime() -> Iterator[ProcessRuntime]:
    with Workspace.open() as space:
        runtime = ProcessRuntime(parse_target("reference"), space, silent)
        try:
            runtime.prepare()
            yield runtime
        finally:
            runtime.close()


def _compared(runtime: ProcessRuntime, variation: Variation) -> tuple[Comparison, float]:
    """Compare a clean deployment with a changed one; return the seconds that it took, too."""
    began = time.monotonic()
    old = runtime.start(Specification(profile=PROFILE, instance="old"))
    new = runtime.start(Specification(profile=PROFILE, variation=variation, instance="new"))
    comparison = Comparison()
    try:
        for _ in range(ROUNDS):
            result = generate(find_scenario("steady"), _order(old, new))
            assert result.other is not None, "a second deployment was asked for"
            for one, other in zip(result.slices, result.other.slices, strict=False):
                comparison.take(one, other)
                if comparison.verdict != "open":
                    return comparison, time.monotonic() - began
        return comparison, time.monotonic() - began
    finally:
        for deployment in (old, new):
            deployment.stop()


def _order(old: Deployment, new: Deployment) -> Order:
    policy, contract = load_policy(PROFILE), read_contract(places.CONTRACT)
    rate = policy.service_levels.rate
    return Order(
        reach=reach_of(old, contract),
        other=reach_of(new, contract),
        rate=rate,
        for_s=ROUND_S,
        keys=keys_for(rate, policy),
    )


def _p95_ms(runtime: ProcessRuntime) -> float:
    deployments = [runtime.start(Specification(profile=PROFILE, instance=name)) for name in ("a", "b")]
    try:
        return generate(find_scenario("steady"), _order(*deployments)).latency.percentile(0.95)
    finally:
        for deployment in deployments:
            deployment.stop()


def _slower(seconds: float) -> Variation:
    return edit(
        "every request takes longer",
        CONTEXT,
        BEGIN,
        BEGIN + f'        __import__("time").sleep({seconds:.6f})\n',
    )


def _stalling() -> Variation:
    return edit(
        "a stall of 40 ms on one request in a hundred",
        CONTEXT,
        BEGIN,
        BEGIN + '        self.served = getattr(self, "served", 0) + 1\n'
        '        if self.served % 100 == 0:\n            __import__("time").sleep(0.04)\n',
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS))
