"""More replicas serve more."""

from __future__ import annotations

from typing import Final

from harness import control, edit, floor, in_time, record
from harness.load.levels import IDLE
from harness.load.machine import Processors
from harness.load.scaling import Stage, exhibits, short, told, unclear
from harness.probes.scaling import ScalingProbe
from harness.site import Site
from suites.replicas import FIRST_TAKES_ALL, LIST_OF_TWO, SMALL, SMALL_CPUS, WHY_NOT
from suites.written import assert_listed

BALANCING: Final = "scaling.horizontal.load-balancing"
MOST: Final = 4
MEASURED: Final = 2  # curves, where the first one falls short
HUNG: Final = "    try:\n        yield\n    except TimeoutError:\n        raw ="
SHARED_LOCK: Final = edit(
    "every use of the database takes one lock of all replicas",
    "panotti/storage/postgresql.py",
    HUNG,
    "    driver = (await connection.get_raw_connection()).driver_connection\n"
    '    await driver.execute("SELECT pg_advisory_lock(7), pg_sleep(0.015), pg_advisory_unlock(7)")\n' + HUNG,
)


@control(
    BALANCING,
    profiles=("production",),
    runtimes=("containers",),
    why_not=WHY_NOT,
    setup=SMALL,  # shared with the check of the quota alone, which takes any count of replicas
    intrusive=True,
    broken_by=(
        SHARED_LOCK,
        FIRST_TAKES_ALL,
        LIST_OF_TWO,
    ),
)
def test_more_replicas_serve_more(site: Site) -> None:
    """With a fifth of a processor each, 4 and 2 replicas serve their share of 4 and 2 times what 1 does.

    What was acknowledged meanwhile is there, also what was by replicas that have gone since.
    """
    least = site.policy.topology.scaling_share
    probe = ScalingProbe(site.load, site.topology, cpus=SMALL_CPUS)
    for _ in range(MEASURED):
        stages = _curve(site, probe)
        found = short(stages, least)
        # Their quota used up and too little served: what else ran on the machine may have slowed them down.
        if not any(stage.held_back for stage in found):
            break
    for exhibit in exhibits(stages, least, title=f"{site.profile}, a fifth of a processor for each replica"):
        record(exhibit)
    for stage in stages:
        floor("started" in stage.result.writes, f"{stage.replicas} replicas acknowledged no recording")
        assert_listed(site, stage.result)
    reason = unclear(stages, least)
    floor(not reason, reason)

    assert not found, f"{told(stages, found)}; {least:.0%} are the least"


def _curve(site: Site, probe: ScalingProbe) -> list[Stage]:
    _grow(site, MOST)
    stages = []
    with site.quiet():
        for count in (MOST, 2, 1):
            _shrink(site, count)
            stages.append(probe.capacity())
    return stages


def _grow(site: Site, count: int) -> None:
    for _ in range(count - len(site.topology.replicas())):
        site.deployment.add_replica()
    _settled(site, count, site.policy.health.startup_budget_s + site.policy.topology.in_within_s)
    # The edge takes a replica that has just got its address for up until it has first checked it.
    assert site.ready(within_s=site.policy.health.startup_budget_s), (
        f"not every one of {count} replicas is ready"
    )


def _shrink(site: Site, count: int) -> None:
    for part in site.topology.replicas()[count:]:
        part.remove()
    _settled(site, count, site.policy.topology.out_within_s)


def _settled(site: Site, count: int, within_s: float) -> None:
    """Wait until the edge sends requests to so many."""
    processors = Processors()
    reached = site.eventually(lambda: site.deployment.serving() == count, timeout_s=within_s)
    told = f"{count} replicas run, and {site.deployment.serving()} get requests after {within_s:g} s"
    in_time(reached or processors.idle >= IDLE, f"{told}: the machine was too busy")
    assert reached, told
