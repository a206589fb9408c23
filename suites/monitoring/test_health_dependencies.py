"""A lost dependency flips readiness in time, and its return flips it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from harness import Measurement, control, defect, edit, floor, record, setting
from harness.faults.dependency import DependencyName
from harness.principals import ApiKey
from harness.probes.reply import Reply
from harness.probes.workers import Workers
from harness.site import Site

DEPENDENCIES: tuple[DependencyName, ...] = get_args(DependencyName)
ROUTES, MONITOR = "panotti/routes/health.py", "panotti/health.py"
READY = "return encoded(OK) if services_of(request.scope).monitor.ready else encoded(UNAVAILABLE, 503)"
_RECOVERED_S = 10.0  # for an edge that learns of replicas which are ready again by asking them
PATIENT = edit("", MONITOR, "LOCK_SHARE = 0.8", "LOCK_SHARE = 60")  # SQLite gives up after two minutes


@control(
    "monitoring.health.dependencies",
    intrusive=True,
    broken_by=(
        edit("readiness is always 200", ROUTES, READY, "return encoded(OK)"),
        edit(
            "the counters are not watched",
            "panotti/services.py",
            '        "counters": backends.counters.probe(timeout),\n',
            "",
        ),
        setting(title="dependencies are asked once a minute", DEPENDENCY_INTERVAL=60),
        edit(
            "what was lost once is never asked again",
            MONITOR,
            '"monitor", self.ask,',
            '"monitor", lambda: self.ask() if self.ready else asyncio.sleep(0),',
        ),
        edit(
            "the detail does not name what is lost",
            ROUTES,
            '"dependencies": {name: status.document() for name, status in services.monitor.statuses.items()}',
            '"dependencies": len(services.monitor.statuses)',
        ),
    ),
)
def test_each_lost_dependency_flips_readiness_and_is_named(site: Site) -> None:
    """Each dependency lost flips readiness within the interval, is named in the detail, and flips it back."""
    site.contract.path("health.detail")
    within = f"within {site.policy.health.interval_s:g} s"
    for name in DEPENDENCIES:
        loss = _loss(site, name)

        assert loss.flipped, f"the loss of the {name} did not show in readiness {within}"
        assert loss.named == {name}, f"while the {name} was lost the detail named {sorted(loss.named)}"
        assert loss.returned, f"the return of the {name} did not show in readiness {within}"


@control(
    "monitoring.health.dependencies",
    intrusive=True,
    broken_by=(
        defect(
            "readiness asks the dependencies itself, and waits",
            edit(
                "",
                ROUTES,
                f"    {READY}",
                f"    await services_of(request.scope).monitor.ask()\n    {READY}",
            ),
            edit("", MONITOR, "await asyncio.wait_for(answer, self._timeout + SLACK)", "await answer"),
            PATIENT,
        ),
        edit(
            "dependencies are only read from, which a held lock does not hinder",
            MONITOR,
            'connection.execute("BEGIN IMMEDIATE")\n        connection.execute("ROLLBACK")',
            "pass",
        ),
        defect(
            "a dependency that hangs is waited for",
            edit(
                "",
                MONITOR,
                "await asyncio.wait_for(answer, self._timeout + SLACK)",
                "await asyncio.wait_for(answer, 60 * self._timeout)",
            ),
            edit("", MONITOR, "        if age <= self._stale_after:", "        if age >= 0:"),
            PATIENT,
        ),
    ),
)
def test_a_hung_dependency_is_seen_and_hangs_no_probe(site: Site) -> None:
    """While dependencies hang, readiness answers within its budget, and flips within the interval."""
    path, health = site.contract.path("health.ready"), site.policy.health
    site.contract.path("health.detail")
    asked: list[Reply] = []
    with site.workers() as workers:
        floor(_all(workers.ask("GET", path), 200), "it is not ready to begin with")
        with site.faults.dependency("database").hung(), site.faults.dependency("counters").hung():
            flipped = _flips(site, workers, 503, asked)
            wanted = set(DEPENDENCIES)
            site.eventually(lambda: _named(site, workers) == wanted, timeout_s=health.interval_s)
            named = _named(site, workers)
        returned = _flips(site, workers, 200, asked)
    slowest_s = max(reply.elapsed_s for reply in asked)
    _measured(slowest_s, health.ready_budget_s, samples=len(asked))

    assert slowest_s <= health.ready_budget_s, f"readiness took longer than {health.ready_budget_s:g} s"
    assert flipped, f"{health.interval_s:g} s after everything hung, readiness had not changed"
    assert named == wanted, f"while everything hung the detail named {sorted(named)}"
    assert returned, f"{health.interval_s:g} s after nothing hung any more, readiness had not changed back"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """What was seen of a loss. named: what the detail of every worker called unavailable."""

    flipped: bool
    named: set[str]
    returned: bool


def _loss(site: Site, name: DependencyName) -> _Loss:
    floor(site.ready(within_s=_RECOVERED_S), f"it is not ready to begin with: the {name} cannot be lost")
    with site.workers() as workers:
        ready = workers.ask("GET", site.contract.path("health.ready"))
        floor(_all(ready, 200), f"it is not ready to begin with, so the loss of the {name} cannot show")
        with site.faults.dependency(name).lost():
            flipped = _flips(site, workers, 503, [])
            named = _named(site, workers)
        return _Loss(flipped=flipped, named=named, returned=_flips(site, workers, 200, []))


def _flips(site: Site, workers: Workers, status: int, asked: list[Reply]) -> bool:
    """Whether every worker's readiness becomes `status` within the interval. asked: takes the answers."""
    path = site.contract.path("health.ready")

    def reached() -> bool:
        replies = workers.ask("GET", path)
        asked.extend(replies)
        return _all(replies, status)

    return site.demanded_wait(site.policy.health.interval_s, why=f"readiness becomes {status}", until=reached)


def _named(site: Site, workers: Workers) -> set[str]:
    """What the guarded detail of every worker calls unavailable."""
    # Made by the administration, a key is looked up in the database; the first one is known without it.
    operator = ApiKey(value=site.deployment.api_key)
    replies = workers.ask("GET", site.contract.path("health.detail"), key=operator)
    return set.intersection(*(set(_unavailable(reply)) for reply in replies))


def _unavailable(reply: Reply) -> list[str]:
    found = reply.field("dependencies")
    named = found.items() if isinstance(found, dict) else ()
    return [name for name, state in named if isinstance(state, dict) and state.get("status") != "ok"]


def _all(replies: Sequence[Reply], status: int) -> bool:
    return all(reply.status == status for reply in replies)


def _measured(slowest_s: float, budget_s: float, *, samples: int) -> None:
    record(
        Measurement(
            name="slowest readiness answer while dependencies hang",
            value=round(slowest_s, 4),
            unit="s",
            samples=samples,
            bound=f"at most {budget_s:g}",
        )
    )
