"""The quota of processor time of each replica (CIS Docker Benchmark 5.12)."""

from __future__ import annotations

import time
from typing import Final

from harness import container, control, floor, record
from harness.load.levels import IDLE
from harness.probes.scaling import ScalingProbe
from harness.probes.topology import burn, cgroup
from harness.records import Measurement
from harness.site import Site
from suites.replicas import REPLICATED, SMALL, SMALL_CPUS, WHY_NOT

CPU: Final = "deployment.resources.cpu"
NANO: Final = 1_000_000_000
LOADED_S: Final = 3.0  # thirty scheduling periods
SLACK: Final = 1.15  # time used over the quota's, as a factor: a period's rest may be used in the next one


@control(
    CPU,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    intrusive=True,
    broken_by=(
        container("the replicas have no quota", nano_cpus=None),
        container("the quota is twice the policy's", nano_cpus="2000000000"),
    ),
)
def test_the_quota_is_set_and_binds(site: Site) -> None:
    """Each replica's quota is the policy's; with work for more, it is held back to that."""
    quota, replicas = site.policy.resources.cpus, site.topology.replicas()
    set_to = {part.host: part.attributes()["HostConfig"]["NanoCpus"] / NANO for part in replicas}
    wrong = {host: cpus for host, cpus in set_to.items() if cpus != quota}
    assert not wrong, f"the quotas are {sorted(set_to.values())} CPU (0: none), not {quota:g}"

    measured = []
    with site.quiet():
        for part in replicas:
            before, began = cgroup(part), time.monotonic()
            burn(part, LOADED_S)
            measured.append((before, cgroup(part), time.monotonic() - began))
    for before, after, elapsed_s in measured:
        used = (after.usage_s - before.usage_s) / elapsed_s
        throttled = after.throttled - before.throttled
        record(
            Measurement(
                name="processors that a replica used under load",
                value=round(used, 3),
                unit="CPU",
                samples=after.periods - before.periods,
                bound=f"at most {quota * SLACK:g}",
            )
        )
        floor(throttled or used > 0.7 * quota, f"a replica used {used:.2f} processors: not enough load")
        assert throttled, f"a replica used {used:.2f} processors and was never held back"
        assert used <= quota * SLACK, f"a replica used {used:.2f} processors of {quota:g}"


@control(
    CPU,
    profiles=("production",),
    runtimes=("containers",),
    why_not=WHY_NOT,
    setup=SMALL,
    intrusive=True,
    broken_by=(
        container("the replicas have no quota", nano_cpus=None),
        container("the quota is twice what was asked for", nano_cpus=f"{2 * SMALL_CPUS * NANO:.0f}"),
    ),
)
def test_requests_do_not_get_past_the_quota(site: Site) -> None:
    """Asked for more than a fifth of a processor can do, each replica is held back to that."""
    with site.quiet():
        stage = ScalingProbe(site.load, site.topology, cpus=SMALL_CPUS).overload()
    quota = stage.replicas * SMALL_CPUS
    record(
        Measurement(
            name="processors that the replicas used for requests",
            value=round(stage.used, 3),
            unit="CPU",
            samples=stage.result.offered,
            bound=f"held back to {quota:g}",
            detail={
                "replicas": stage.replicas,
                "throttled_periods": stage.throttled,
                "served_a_second": round(stage.served, 1),
            },
        )
    )
    idle, used = stage.result.idle, f"the replicas used {stage.used:.2f} processors"
    floor(stage.held_back or idle >= IDLE, f"{used}: the machine was too busy to give them their quota")
    floor(stage.held_back or stage.used > SLACK * quota, f"{used}: too small a load")

    assert stage.held_back, f"{used}, {quota:g} are their quota"
