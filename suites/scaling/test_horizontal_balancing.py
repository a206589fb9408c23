"""Replicas share the load; a dead one costs no request, and comes back."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

from harness import control, edit, floor, record
from harness.disturbance import watch
from harness.probes.burst import BurstResult
from harness.records import Table
from harness.site import Site
from suites.replicas import (
    BALANCE,
    EDGE,
    FIRST_TAKES_ALL,
    NO_RETRY,
    NOT_CHECKED,
    REPLICATED,
    WHY_NOT,
    assert_undisturbed,
    detail,
    looks,
)

BALANCING: Final = "scaling.horizontal.load-balancing"
ASKED: Final = 240
AFTERWARDS_S: Final = 1.0  # of requests after a replica is out


@control(
    BALANCING,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    intrusive=True,
    broken_by=(
        edit("clients stick to a replica by their address", EDGE, BALANCE, "    balance source\n"),
        FIRST_TAKES_ALL,
    ),
)
def test_replicas_share_the_requests(site: Site) -> None:
    """Over new and over kept connections, each replica gets an equal share, within a bound."""
    wanted, bound = len(site.topology.replicas()), site.policy.topology.imbalance
    floor(wanted >= site.policy.topology.replicas, f"there are {wanted} replicas: too few to share anything")
    shares = {kind: _hosts(_asked(site, kind)) for kind in ("new", "kept")}
    rows = [(kind, host, count) for kind, hosts in shares.items() for host, count in hosts.items()]
    record(
        Table(
            page="topology",
            title=f"Requests by replica, of {ASKED} each",
            columns=("connections", "replica", "requests"),
            rows=tuple(rows),
        )
    )

    for kind, hosts in shares.items():
        floor(hosts.total() == ASKED, f"of {ASKED} requests {hosts.total()} told who answered them")
        assert len(hosts) == wanted, f"over {kind} connections {len(hosts)} of {wanted} replicas answered"
        off = max(abs(count * wanted / ASKED - 1) for count in hosts.values())
        assert off <= bound, f"over {kind} connections a share is {off:.0%} off an equal one: {dict(hosts)}"


@control(
    BALANCING,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    fresh=True,
    intrusive=True,
    broken_by=(NO_RETRY, NOT_CHECKED),
)
def test_a_dead_replica_costs_no_request_and_comes_back(site: Site) -> None:
    """A replica is killed under load: no request fails, it is out in time, and in again once it runs."""
    policy, victim, wanted = site.policy.topology, site.topology.replicas()[0], site.deployment.serving()
    host = victim.host
    with watch() as seen, site.stream(detail(site), each=looks(site)) as stream:
        before = site.eventually(lambda: host in stream.hosts())
        floor(before, "the replica to be killed has answered nothing to begin with")
        victim.signal("SIGKILL")
        killed = site.eventually(lambda: victim.exit_status() is not None)
        floor(killed, "the replica still runs after its SIGKILL")
        out = site.demanded_wait(
            policy.out_within_s,
            why="a dead replica is to be out",
            until=lambda: site.deployment.serving() < wanted,
        )
        site.demanded_wait(AFTERWARDS_S, why="requests after it is out")
        failed = stream.told()
        out_from = max((one.at_s for one in stream.passed if one.host == host), default=0.0)
        alone = stream.hosts(since=out_from)
        victim.start()
        startup_s = site.policy.health.startup_budget_s + policy.in_within_s
        back = site.eventually(lambda: stream.hosts(since=out_from)[host] > 1, timeout_s=startup_s)
    floor(alone.total() > 1, "nobody was asked while the replica was dead")

    assert not failed, f"requests failed when a replica died: {failed}"
    assert_undisturbed(out, f"a replica that died is still in after {policy.out_within_s:g} s", seen)
    assert_undisturbed(back, f"the replica that runs again got no request within {startup_s:g} s", seen)
    assert not stream.failed, f"requests failed when the replica came back: {stream.told()}"


def _asked(site: Site, connection: Literal["new", "kept"]) -> BurstResult:
    key = site.key("admin")
    lanes = 1 if connection == "kept" else 4  # several kept ones would hide what sticks to its replica
    return site.burst(ASKED, detail(site), key=key, connection=connection, concurrency=lanes)


def _hosts(result: BurstResult) -> Counter[str]:
    found = [reply.field("worker", "host") for reply in result.of(200)]
    return Counter(host for host in found if isinstance(host, str))
