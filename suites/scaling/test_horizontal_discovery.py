"""Replicas come and go while requests are served."""

from __future__ import annotations

from typing import Final

from harness import control, floor
from harness.site import Site
from suites.replicas import LIST_OF_TWO, NO_RETRY, REPLICATED, WHY_NOT, detail, looks

DISCOVERY: Final = "scaling.horizontal.service-discovery"
AFTERWARDS_S: Final = 1.0  # of requests after a replica has gone


@control(
    DISCOVERY,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    fresh=True,
    intrusive=True,
    broken_by=LIST_OF_TWO,
)
def test_an_added_replica_is_found(site: Site) -> None:
    """A replica that is added under load gets requests, without a restart and without a failed request."""
    before = {replica.host for replica in site.topology.replicas()}
    with site.stream(detail(site), each=looks(site)) as stream:
        site.eventually(lambda: set(stream.hosts()) == before)
        added = site.deployment.add_replica()
        startup_s = site.policy.health.startup_budget_s + site.policy.topology.in_within_s
        found = site.eventually(lambda: added.host in stream.hosts(), timeout_s=startup_s)
    floor(set(stream.hosts()) >= before, "the replicas that were there did not all answer to begin with")
    floor(added.exit_status() is None, "the replica that was added has ended")

    assert found, f"the replica that was added got no request within {startup_s:g} s"
    assert not stream.failed, f"requests failed when a replica was added: {stream.told()}"


@control(
    DISCOVERY,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    fresh=True,
    intrusive=True,
    broken_by=NO_RETRY,
)
def test_a_removed_replica_is_missed_by_nobody(site: Site) -> None:
    """A replica is removed under load: the others take over, and no request fails."""
    leaving = site.topology.replicas()[-1]
    host = leaving.host
    with site.stream(detail(site), per_s=100, each=looks(site)) as stream:
        there = site.eventually(lambda: host in stream.hosts())
        floor(there, "the replica to be removed has answered nothing to begin with")
        leaving.remove()
        site.demanded_wait(AFTERWARDS_S, why="requests after the removal")
    last = max(one.done_s for one in stream.passed if one.host == host)
    floor(stream.hosts(since=last).total() > 1, "nothing was asked after the removal")

    assert not stream.failed, f"requests failed when a replica was removed: {stream.told()}"
