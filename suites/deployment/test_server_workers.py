"""As many workers answer as configured, and a dead one is replaced."""

from __future__ import annotations

import time
from collections import Counter

from harness import control, edit, floor, setting
from harness.principals import ApiKey
from harness.probes.burst import BurstResult
from harness.site import Site

SURVEY = (
    48  # requests on connections of their own: with four workers, one is left out once in a million times
)
SURVEYS = 4

ONE_WORKER = setting(title="one worker where more are configured", WORKERS=1)
NEVER_REPLACED = edit(
    "a dead worker is never replaced",
    "panotti/processes.py",
    "            if self.status:\n                break\n            self._fill()\n",
    "            if self.status:\n                break\n",
)
ONE_DEATH_ENDS_ALL = edit(
    "a worker's death by a signal ends the server",
    "panotti/processes.py",
    "if code == STARTUP_FAILURE and not self.workers:",
    "if code < 0:",
)
REPLACED_LATE = edit(
    "a dead worker is replaced after a minute",
    "panotti/processes.py",
    "self.due = monotonic() + self.delay",
    "self.due = monotonic() + 60",
)


@control(
    "deployment.server.workers",
    broken_by=(
        ONE_WORKER,
        edit(
            "the number of workers is written into the code",
            "panotti/processes.py",
            "while len(self.workers) < self.settings.workers and",
            "while len(self.workers) < 4 and",
        ),
    ),
)
def test_as_many_workers_answer_as_the_policy_says(site: Site) -> None:
    """Answers come from exactly as many worker processes as the policy asks for."""
    key, wanted = site.key("admin"), site.policy.server.workers
    seen: Counter[int] = Counter()
    for _ in range(SURVEYS):
        survey = _survey(site, key)
        seen.update(_pids(survey))
        if len(seen) >= wanted:
            break
    floor(seen.total() >= SURVEY, "the answers do not say which worker gave them")

    assert len(seen) == wanted, f"{seen.total()} answers came from {len(seen)} workers instead of {wanted}"


@control(
    "deployment.server.workers",
    fresh=True,
    intrusive=True,
    broken_by=(NEVER_REPLACED, REPLACED_LATE, ONE_DEATH_ENDS_ALL),
)
def test_a_killed_worker_is_replaced_and_no_later_request_fails(site: Site) -> None:
    """After the SIGKILL of a worker every request is answered, and soon by as many workers as before."""
    key, wanted = site.key("admin"), site.policy.server.workers
    before = set(_pids(_survey(site, key)))
    floor(before, "the answers do not say which worker gave them")
    victim = min(before)
    site.server.kill(victim)
    statuses: Counter[int] = Counter()
    after: set[int] = set()
    deadline = time.monotonic() + site.policy.server.replaced_within_s
    while len(after) < wanted and set(statuses) <= {200} and time.monotonic() < deadline:
        survey = _survey(site, key)
        statuses.update(survey.statuses)
        after.update(_pids(survey))

    assert set(statuses) == {200}, f"requests after the death of a worker were answered {dict(statuses)}"
    floor(victim not in after, f"worker {victim} still answers after its SIGKILL")
    assert len(after) >= wanted, (
        f"{site.policy.server.replaced_within_s:g} s after the death of a worker "
        f"{len(after)} of {wanted} workers answered"
    )


def _survey(site: Site, key: ApiKey) -> BurstResult:
    """Ask for the guarded detail, which tells who answers, on new connections at the same time."""
    return site.burst(
        SURVEY,
        site.contract.path("health.detail"),
        base="replica",
        key=key,
        connection="new",
        concurrency=8,
    )


def _pids(survey: BurstResult) -> list[int]:
    found = [reply.field("worker", "pid") for reply in survey.of(200)]
    return [pid for pid in found if isinstance(pid, int)]
