"""One quota for all replicas."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final

from harness import control, floor, in_time, setting
from harness.site import Site
from suites.middleware.quotas import errand
from suites.replicas import REPLICATED, WHY_NOT

LIMIT: Final = "middleware.security.rate-limit"


@control(
    LIMIT,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    intrusive=True,
    broken_by=setting(title="each replica counts for itself", REDIS_URL=None),
)
def test_the_quota_is_one_for_all_replicas(site: Site) -> None:
    """A key that asks the replicas in turn gets one quota in all, not one from each."""
    limit, key = site.policy.rate.key, site.key()
    replicas = range(len(site.topology.replicas()))
    method, path, body = errand(site)
    floor(len(replicas) >= site.policy.topology.replicas, f"{len(replicas)} replicas are too few")

    bursts = site.together(
        *(
            partial(site.burst, limit.quota, path, method=method, json=body, key=key, replica=replica)
            for replica in replicas
        )
    )
    ended = max(burst.began_s + burst.elapsed_s for burst in bursts)
    in_time(ended - bursts[0].began_s < limit.window_s, "the requests took longer than the window")
    statuses = sum((burst.statuses for burst in bursts), Counter[int]())
    floor(set(statuses) <= {200, 429}, f"the answers were {dict(statuses)}")

    served = statuses[200]
    assert served == limit.quota, f"{served} requests were served over {len(replicas)} replicas"
