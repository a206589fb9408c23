"""How often noise reads as a fault, and a slow target as a good one: the rules themselves, simulated.

    python -m bench.noise

Seeded: two runs print the same. Nothing is measured here; bench/ab.py measures on real servers.
"""

from __future__ import annotations

import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from math import log

from harness.disturbance import Moment
from harness.load.decision import LONGEST, Decision
from harness.load.records import SLICE_S, Slice
from harness.policy import load_policy
from harness.probes.load import TRIES
from harness.retrying import RETRIES

RUNS = 500
LEVELS = load_policy("production").service_levels
MOST = int(TRIES * LONGEST * LEVELS.for_s / SLICE_S)  # slices of all tries together
EACH = round(LEVELS.rate * SLICE_S / len(LEVELS.steps))  # requests of a step in a slice
QUICK, WITNESS = 5.0, 1.0  # milliseconds
BUSY = Moment(
    began=0.0, ended=0.5, late_ms=20.0, idle=0.0, stolen=0.0, throttled=0.0, others={"other work": 1.5}
)

Model = Callable[[random.Random, int], tuple[Slice, tuple[Moment, ...]]]


def target(level: str, times: float, cluster: int = 1) -> Model:
    """A target of which `times` the allowed share is slow, in clusters; everything else about it is quick."""
    steps, most_ms, share, errors = _promise(level)
    rate = times * share * EACH * len(steps) / cluster

    def slice_(dice: random.Random, number: int) -> tuple[Slice, tuple[Moment, ...]]:
        latencies = {step: [QUICK] * EACH for step in LEVELS.steps}
        places = [(step, at) for step in steps for at in range(EACH)]
        slow = min(cluster * _poisson(dice, rate), len(places))
        for step, at in dice.sample(places, slow) if not errors else ():
            latencies[step][at] = most_ms + 1
        return _slice(number, latencies, failed=slow if errors else 0), ()

    return slice_


def noisy(share: float, *, known: bool) -> Model:
    """A healthy target on a machine that stalls target and witness in a share of the slices.

    known: whether the machine tells by what.
    """

    def slice_(dice: random.Random, number: int) -> tuple[Slice, tuple[Moment, ...]]:
        latencies = {step: [QUICK] * EACH for step in LEVELS.steps}
        if dice.random() >= share:
            return _slice(number, latencies), ()
        stall = dice.uniform(10, 100)
        for values in latencies.values():
            for at in range(EACH):
                if dice.random() < 0.4:
                    values[at] += dice.uniform(0, 4) * stall
        return _slice(number, latencies, witness=stall), (BUSY,) if known else ()

    return slice_


def outcomes(model: Model, runs: int = RUNS) -> tuple[Counter[str], float]:
    """Return how often a target passes, fails or remains undecided, and the requests that it took (mean)."""
    dice = random.Random(1)  # noqa: S311 - a simulation, the same each time
    counts, requests = Counter[str](), []
    for _ in range(runs):
        decision = Decision(LEVELS)
        for number in range(MOST):
            decision.take(*model(dice, number))
            if decision.decided():
                break
        found = "undecided" if not decision.decided() else "fails" if decision.broken() else "passes"
        counts[found] += 1
        requests.append(decision.slices * EACH * len(LEVELS.steps))
    return counts, statistics.fmean(requests)


def prompt_passes(times: float, spread: float, *, disturbed: float) -> float:
    """Return how often a target passes a `prompt` bound, tries of all kinds together.

    times: the time that it takes, in allowed times (the median); spread: of the logarithm of its times.
    disturbed: the share of tries beside other work, which doubles the time.
    """
    dice = random.Random(1)  # noqa: S311 - a simulation, the same each time
    return sum(_prompt(dice, times, spread, disturbed) for _ in range(40 * RUNS)) / (40 * RUNS)


def _prompt(dice: random.Random, times: float, spread: float, disturbed: float) -> bool:
    for number in range(1 + RETRIES):
        noise = dice.random() < disturbed
        took = dice.lognormvariate(log(times), spread) * (2 if noise else 1)
        if took <= 1:
            return True
        if number and not noise:
            return False
    return False


def main() -> None:
    """Print the figures, each beside its bound."""
    for title, model, bound in rules():
        counts, requests = outcomes(model)
        shown = ", ".join(f"{name} {counts[name] / RUNS:.1%}" for name in ("passes", "fails", "undecided"))
        print(f"{title}: {shown}; {requests:.0f} requests on average{bound and f' ({bound})'}")  # noqa: T201
    for times in (0.5, 1.0, 1.5, 2.0):
        quiet, busy = (prompt_passes(times, 0.25, disturbed=share) for share in (0.0, 0.5))
        print(  # noqa: T201
            f"prompt, a target that takes {times:g} of the allowed time, spread a quarter: passes "
            f"{quiet:.2%}, half of the tries disturbed {busy:.2%}"
        )


def rules() -> Iterator[tuple[str, Model, str]]:
    """Yield what is simulated: a title, the model, and the bound that is promised."""
    for level in ("all steps: p99.75", "start: p99", "start: p95", "errors"):
        for times in (0.0, 0.5, 1.0, 2.0, 4.0):
            bound = {0.5: "fails < 1 %", 2.0: "passes < 5 %"}.get(times, "")
            yield f"{level}, {times:g} times the share slow", target(level, times), bound
        if level != "errors":
            title = f"{level}, twice the share slow, in clusters of three"
            yield title, target(level, 2.0, 3), "passes < 5 %"
    for share in (0.1, 0.5):
        for known in (True, False):
            by = "known" if known else "unknown"
            title = f"a healthy target, {share:.0%} of the slices stalled by {by} work"
            yield title, noisy(share, known=known), "fails 0"


def _promise(level: str) -> tuple[tuple[str, ...], float, float, bool]:
    found = next(one for one in Decision(LEVELS).levels if one.name == level)
    errors = found.most_ms is None
    steps = tuple(LEVELS.steps) if errors else found.steps
    return steps, found.most_ms or 0.0, found.excess.share, errors


def _slice(
    number: int, latencies: dict[str, list[float]], *, failed: int = 0, witness: float = WITNESS
) -> Slice:
    return Slice(
        number=number,
        latencies={step: tuple(values) for step, values in latencies.items()},
        failed=failed,
        witness=(witness,),
        late_ms=0.1,
    )


def _poisson(dice: random.Random, mean: float) -> int:
    """How many of many rare things happen."""
    count, left = 0, dice.expovariate(1.0)
    while left < mean:
        count += 1
        left += dice.expovariate(1.0)
    return count


if __name__ == "__main__":
    main()
