"""The memory limit of each replica (CIS Docker Benchmark 5.11, 5.15), and what comes of reaching it."""

from __future__ import annotations

from typing import Final

from harness import container, control, floor, record
from harness.disturbance import watch
from harness.probes.topology import devour
from harness.records import Observation
from harness.runtimes.part import Part
from harness.site import Site
from suites.replicas import NO_RETRY, REPLICATED, WHY_NOT, assert_undisturbed, detail, looks, topology

MEMORY: Final = "deployment.resources.memory"
OVER: Final = 1.25  # of the limit: what is taken where the limit does not bind
LIMIT: Final = "    mem_limit: 512m\n    memswap_limit: 512m\n    cpus: 1.0\n    pids_limit: 256\n"


@control(
    MEMORY,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    broken_by=(
        container("the replicas have no memory limit", mem_limit=None),
        topology("a replica may swap", LIMIT, LIMIT.replace("memswap_limit: 512m", "memswap_limit: 2g")),
        topology("the kernel may not kill for memory", LIMIT, f"{LIMIT}    oom_kill_disable: true\n"),
    ),
)
def test_each_replica_has_the_policys_limit_and_no_swap(site: Site) -> None:
    """The memory of each replica is limited as the policy says, swap included, and the limit is enforced."""
    wanted = site.policy.resources.memory_bytes
    for part in site.topology.replicas():
        host = part.attributes()["HostConfig"]
        told = {name: host[name] for name in ("Memory", "MemorySwap", "OomKillDisable")}
        record(Observation(subject=f"limits of a container of {part.service}", data=told))
        assert host["Memory"] == wanted, (
            f"a replica's limit is {host['Memory']} bytes, not {wanted} (0: none)"
        )
        swap = host["MemorySwap"] - host["Memory"]
        assert swap == 0, f"a replica may use {swap} bytes of swap"
        assert not host["OomKillDisable"], "the kernel may not end a process of a replica that has no memory"


@control(
    MEMORY,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    fresh=True,
    intrusive=True,
    broken_by=(
        topology("a replica that ended is not started again", "restart: unless-stopped", 'restart: "no"'),
        container("the memory limit is twice the policy's", mem_limit="1024m"),
        NO_RETRY,
    ),
)
def test_a_replica_killed_for_memory_is_replaced_and_missed_by_nobody(site: Site) -> None:
    """A replica takes more memory than it may: the kernel ends it, no request fails, it is back in time."""
    policy, victim = site.policy.resources, site.topology.replicas()[0]
    if victim.exit_status() is not None:  # in the try before, it was not started again
        site.deployment.renew()
    host, began = victim.host, _began(victim)
    with watch() as seen, site.stream(detail(site), each=looks(site)) as stream:
        there = site.eventually(lambda: host in stream.hosts())
        floor(there, "the replica has answered nothing to begin with")
        taken = devour(victim, int(policy.memory_bytes * OVER))
        assert taken is None, (
            f"a replica took {taken >> 20} MiB; its limit is to be {policy.memory_bytes >> 20}"
        )
        ended = max((one.at_s for one in stream.passed if one.host == host), default=0.0)
        back = site.eventually(
            lambda: _began(victim) != began and stream.hosts(since=ended)[host] > 1,
            timeout_s=policy.replaced_within_s,
        )
    floor(stream.hosts(since=ended).total() > 1, "nothing was asked after the replica had ended")

    assert not stream.failed, f"requests failed when a replica ran out of memory: {stream.told()}"
    late = f"{policy.replaced_within_s:g} s after it was ended for memory, the replica did not serve"
    assert_undisturbed(back, late, seen)


def _began(part: Part) -> str:
    return str(part.attributes()["State"]["StartedAt"])
