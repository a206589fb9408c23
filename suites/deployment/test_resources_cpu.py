"""The quota of processor time of each replica (CIS Docker Benchmark 5.12)."""

from __future__ import annotations

import time
from typing import Final

from harness import container, control, floor, in_time, record
from harness.probes.cpu import CpuMeter
from harness.probes.scaling import ScalingProbe, with_share_of_cpu
from harness.probes.topology import burn
from harness.records import Measurement
from harness.site import Site
from suites.replicas import A_FIFTH, REPLICATED, WHY_NOT

CPU: Final = "deployment.resources.cpu"
NANO: Final = 1_000_000_000
LOADED_S: Final = 1.5  # fifteen scheduling periods
TRIES: Final = 4
SLACK: Final = 1.15  # time used over the quota's, as a factor: a period's rest may be used in the next one
NO_QUOTA: Final = container("the replicas have no quota", nano_cpus=None)
TWICE: Final = container("the quota is twice the policy's", nano_cpus="2000000000")


@control(
    CPU,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    intrusive=True,
    broken_by=(NO_QUOTA, TWICE),
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
            meter = CpuMeter(part)
            before, began = meter.read(), time.monotonic()
            burn(part, LOADED_S)
            measured.append((before, meter.read(), time.monotonic() - began))
    for before, after, elapsed_s in measured:
        used = (after.usage_s - before.usage_s) / elapsed_s
        record(
            Measurement(
                name="processors that a replica used under load",
                value=round(used, 3),
                unit="CPU",
                samples=after.periods - before.periods,
                bound=f"at most {quota * SLACK:g}",
            )
        )
        assert used <= quota * SLACK, f"a replica used {used:.2f} processors of {quota:g}"
        # Other work on the machine may have left it less than its quota, which then had nothing to hold back.
        held_back = after.throttled > before.throttled
        in_time(held_back, f"a replica used {used:.2f} processors and was never held back: not enough load")


@control(
    CPU,
    profiles=("production",),
    runtimes=("containers",),
    why_not=WHY_NOT,
    intrusive=True,
    broken_by=(NO_QUOTA, TWICE),
)
def test_requests_do_not_get_past_the_quota(site: Site) -> None:
    """Asked for more than a fifth of their quotas can do, the replicas are held back to that."""
    replicas = site.topology.replicas()
    quota = len(replicas) * site.policy.resources.cpus * A_FIFTH
    with (
        site.quiet(),
        site.pressure() as pressure,
        with_share_of_cpu(replicas, A_FIFTH),
        ScalingProbe(site.deployment, replicas) as probe,
    ):
        for _ in range(TRIES):
            found = probe.slice(len(replicas), pressure, LOADED_S)
            if found.held_back or found.used > SLACK * quota:
                break
    record(
        Measurement(
            name="processors that the replicas used for requests",
            value=round(found.used, 3),
            unit="CPU",
            samples=found.served,
            bound=f"at most {SLACK * quota:g}",
            detail={
                "replicas": len(replicas),
                "throttled_periods": found.throttled,
                "periods": found.periods,
            },
        )
    )
    assert found.used <= SLACK * quota, (
        f"the replicas used {found.used:.2f} processors, {quota:g} are their quota"
    )
    floor(found.served, "nothing was served")
    in_time(found.held_back, f"the replicas used {found.used:.2f} processors of {quota:g}: too small a load")
