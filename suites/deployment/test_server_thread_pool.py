"""Blocking work runs in a bounded pool and never starves liveness."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from harness import Measurement, control, edit, in_time, record, setting
from harness.principals import ApiKey, User
from harness.probes.burst import BurstResult
from harness.probes.reply import Reply
from harness.probes.threads import ThreadUse
from harness.probes.workers import Workers
from harness.site import Site

OVER = 2  # times the logins in flight that the pools of all workers take
WORK_S = 2.0  # processor time of both workers after which threads can be told apart
WATCHED_S = 10.0  # at most
LOOK_EVERY_S = 0.03
QUIET_ASKS = 20
# Where an idle server already needs this share of the budget, the machine is too busy to tell a slow answer
# from a starved one, unless it takes several budgets.
NOISE = 0.05
TELLING = 3.0

PASSWORDS = "panotti/identity/passwords.py"
ON_THE_LOOP = edit(
    "passwords are verified on the event loop",
    PASSWORDS,
    "await to_thread.run_sync(self._fits, stored or self._nobody, password, limiter=self._pool)",
    "self._fits(stored or self._nobody, password)",
)
BLOCKED_ONCE = edit(
    "a worker's first login reads a list of leaked passwords on the event loop",
    PASSWORDS,
    'self._nobody = await self.hash("nobody")',
    'self._nobody = self._hasher.hash("nobody")\n            __import__("time").sleep(4)',
)
OTHER_POOL = edit(
    "passwords are verified in the framework's own pool of forty threads",
    PASSWORDS,
    "password, limiter=self._pool)\n        return fits",
    "password)\n        return fits",
)
UNBOUNDED = edit(
    "the pool has no bound",
    "panotti/services.py",
    "CapacityLimiter(settings.thread_pool_size)",
    "CapacityLimiter(10_000)",
)


@control("deployment.server.thread-pool", intrusive=True, broken_by=BLOCKED_ONCE)
def test_liveness_answers_in_time_while_the_pool_is_saturated(site: Site) -> None:
    """Every worker answers the liveness probe within its budget while logins wait for its pool."""
    path, live = site.contract.path("health.detail"), site.contract.path("health.live")
    key, user = site.key("admin"), site.user()
    with site.workers() as asked, site.workers() as looked:
        quiet = [reply.elapsed_s for _ in range(QUIET_ASKS) for reply in asked.ask("GET", live)]
        with (
            site.meanwhile(lambda: _logins(site, user, asked)) as load,
            site.meanwhile(lambda: _ask(looked, path, until=load, key=key)) as details,
        ):
            replies = _ask(asked, live, until=load)
    in_time(replies, "the logins were over before liveness could be asked")
    failed = [reply.status or reply.error for reply in replies if reply.status != 200]
    slowest_s, budget_s = max(reply.elapsed_s for reply in replies), site.policy.server.liveness_budget_s
    _measured(slowest_s, budget_s, samples=len(replies))

    assert not failed, f"liveness was answered {failed[0]} while logins were waiting"
    in_time(
        slowest_s <= budget_s or max(quiet) <= NOISE * budget_s or slowest_s > TELLING * budget_s,
        f"too noisy: liveness took {max(quiet):.2f} s without load and {slowest_s:.2f} s with it",
    )
    # What a worker does once is not done again: a second try would not see it.
    assert slowest_s <= budget_s, f"liveness took longer than {budget_s:g} s while logins were waiting"
    in_time(_most("waiting", details.result()), "no login had to wait for a thread: nothing was saturated")


@control(
    "deployment.server.thread-pool",
    intrusive=True,
    broken_by=(
        UNBOUNDED,
        OTHER_POOL,
        ON_THE_LOOP,
        setting(title="a pool of another size than the policy's", THREAD_POOL_SIZE=2),
    ),
)
def test_blocking_work_runs_in_a_pool_of_the_configured_size(site: Site) -> None:
    """However many logins arrive, each worker verifies passwords in no more threads than the pool has."""
    path, key, user = site.contract.path("health.detail"), site.key("admin"), site.user()
    size = site.policy.server.thread_pool
    with site.workers() as workers:
        _logins(site, user, workers)  # what a worker prepares at its first login may run elsewhere
        with (
            site.meanwhile(lambda: _watch(site, workers.pids)) as watch,
            site.meanwhile(lambda: _ask(workers, path, until=watch, key=key)) as details,
        ):
            while not watch.done():
                _logins(site, user, workers)
    threads = [len(use.busy) for use in watch.result()]
    pool_s = sum(sum(use.busy.values()) for use in watch.result())
    loop_s = sum(use.main_s for use in watch.result())
    in_time(pool_s + loop_s >= WORK_S / 2, "too little work was seen to tell which threads did it")

    assert pool_s > loop_s, f"the event loops did {loop_s:.1f} s of the work, the pools {pool_s:.1f} s"
    assert max(threads) <= size, (
        f"{max(threads)} threads of a worker did blocking work; its pool is to have {size}"
    )
    in_time(_most("waiting", details.result()), "no login had to wait for a thread: nothing was saturated")
    sizes = {reply.field("thread_pool", "size") for reply in details.result() if reply.decided}
    in_time(sizes, "no worker told of its pool")
    assert sizes == {size}, f"the workers' pools are of size {sizes} instead of {size}"


def _logins(site: Site, user: User, workers: Workers) -> BurstResult:
    """Log in with a wrong password: as much work as the right one, and nothing is left behind."""
    at_once = OVER * site.policy.server.thread_pool * len(workers)
    login = {"username": user.username, "password": "not the password"}
    return site.burst(
        at_once,
        site.contract.path("sessions.login"),
        method="POST",
        json={**login},
        concurrency=at_once,
        timeout_s=30,
    )


def _watch(site: Site, pids: Sequence[int]) -> tuple[ThreadUse, ...]:
    return site.threads.watch(pids, work_s=WORK_S, within_s=WATCHED_S)


def _ask(workers: Workers, path: str, *, until: Future[Any], key: ApiKey | None = None) -> list[Reply]:
    replies: list[Reply] = []
    while not until.done():
        replies += workers.ask("GET", path, key=key)
        time.sleep(LOOK_EVERY_S)
    return replies


def _most(what: str, details: Sequence[Reply]) -> int:
    found = [reply.field("thread_pool", what) for reply in details]
    return max((number for number in found if isinstance(number, int)), default=0)


def _measured(slowest_s: float, budget_s: float, *, samples: int) -> None:
    record(
        Measurement(
            name="slowest liveness answer while logins wait for the pool",
            value=round(slowest_s, 4),
            unit="s",
            samples=samples,
            bound=f"at most {budget_s:g}",
        )
    )
