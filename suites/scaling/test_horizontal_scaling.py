"""More replicas serve more."""

from __future__ import annotations

from typing import Final

from harness import control, edit, floor, in_time, record
from harness.disturbance import watch
from harness.load.scaling import Round, decided, exhibits, open_because, over, short, telling
from harness.probes.pressure import Pressure
from harness.probes.scaling import ScalingProbe, with_share_of_cpu
from harness.runtimes.part import Part
from harness.site import Site
from suites.replicas import A_FIFTH, FIRST_TAKES_ALL, LIST_OF_TWO, WHY_NOT, assert_undisturbed
from suites.written import assert_listed

BALANCING: Final = "scaling.horizontal.load-balancing"
COUNTS: Final = (1, 2, 4)
SLICE_S: Final = 1.2  # twelve scheduling periods
MORE: Final = 1.2  # times as much served under twice the pressure: the pressure before was too small
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
    fresh=True,
    intrusive=True,
    broken_by=(
        SHARED_LOCK,
        FIRST_TAKES_ALL,
        LIST_OF_TWO,
    ),
)
def test_more_replicas_serve_more(site: Site) -> None:
    """With a fifth of their processor time, 4 and 2 replicas serve their share of 4 and 2 times what 1 does.

    What was acknowledged meanwhile is there, also what was by replicas that have gone since.
    """
    least = site.policy.topology.scaling_share
    replicas = _grown(site, max(COUNTS))
    with (
        site.quiet(),
        watch() as seen,
        site.pressure() as pressure,
        with_share_of_cpu(replicas, A_FIFTH),
        ScalingProbe(site.deployment, replicas) as probe,
    ):
        rounds = probe.rounds(COUNTS, pressure, slice_s=SLICE_S, until=lambda found: over(found, least))
        if short(rounds, least):
            _no_more_under_more(site, probe, pressure, rounds)
    for exhibit in exhibits(rounds, least, title=f"{site.profile}, a fifth of their processor time"):
        record(exhibit)
    for part in replicas[site.policy.topology.replicas :]:
        part.remove()
    floor(pressure.writes["started"].acknowledged, "no write was acknowledged")
    assert_listed(site, pressure)
    found = short(rounds, least)
    in_time(found or decided(rounds, least), open_because(rounds, least))

    assert_undisturbed(not found, f"{'; '.join(map(str, found))}; {least:.0%} are the least", seen)


def _no_more_under_more(site: Site, probe: ScalingProbe, pressure: Pressure, rounds: list[Round]) -> None:
    """Demand that twice the pressure brings no more: what was served is what can be served.

    Where one replica was at its quota and another had nothing to do, the pressure was not too small.
    """
    count = short(rounds, site.policy.topology.scaling_share)[0].replicas
    if all(one[count].uneven for one in telling(rounds)):
        return
    most = max(one[count].rate for one in rounds)
    with site.pressure(pressure):
        doubled = probe.slice(count, pressure, SLICE_S)
    floor(
        doubled.rate <= MORE * most,
        f"under twice the pressure {count} replicas served {doubled.rate:.0f} a second, not {most:.0f}",
    )


def _grown(site: Site, count: int) -> tuple[Part, ...]:
    """Replicas that are ready and get requests, as many as that."""
    with watch() as seen:
        for _ in range(count - len(site.topology.replicas())):
            site.deployment.add_replica()
        # The edge takes a replica that has just got its address for up until it has first checked it.
        ready = site.ready(within_s=site.policy.health.startup_budget_s)
        within_s = site.policy.topology.in_within_s
        in_ = ready and site.eventually(lambda: site.deployment.serving() == count, timeout_s=within_s)
    assert_undisturbed(ready, f"not every one of {count} replicas is ready", seen)
    served = f"{count} replicas run, and {site.deployment.serving()} get requests after {within_s:g} s"
    assert_undisturbed(in_, served, seen)
    return site.topology.replicas()
