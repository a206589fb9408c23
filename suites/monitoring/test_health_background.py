"""What watches the dependencies may fail or hang itself: it goes on, or readiness says so."""

from __future__ import annotations

from harness import control, defect, edit, floor
from harness.defects import Variation
from harness.probes.workers import Workers
from harness.site import Site

ID = "monitoring.health.dependencies"
CAUSE, PLANTED = "the cause of a failed look", "a look comes to grief as planted"
BACKGROUND, MONITOR = "panotti/background.py", "panotti/health.py"
LOOK = "        names = list(self._probes)\n"
_AGAIN_S = 10.0  # after a failure the next look may be a while in coming


def _grief(title: str, then: str) -> Variation:
    """A server in which a request for the version decides what becomes of that worker's next look."""
    version = "    settings = services_of(request.scope).settings\n"
    return defect(
        title,
        edit(
            "",
            "panotti/routes/health.py",
            version,
            f"{version}    services_of(request.scope).monitor.told = True\n",
        ),
        edit(
            "",
            MONITOR,
            LOOK,
            '        if self.__dict__.pop("told", False):\n'
            f'            __import__("panotti.logs").logs.log.warning("{PLANTED}")\n'
            f"            {then}\n{LOOK}",
        ),
    )


FAILS_ONCE = _grief("the next look at the dependencies fails", f'raise RuntimeError("{CAUSE}")')
HANGS_ONCE = _grief("the next look at the dependencies hangs", "await asyncio.sleep(3600)")
CATCHES = "            except Exception as error:\n                self._failed(error)\n"
DEAD = edit("one failed look is the last one", BACKGROUND, CATCHES, "")
SILENT = edit(
    "a failed look is not logged", BACKGROUND, CATCHES, CATCHES.replace("self._failed(error)", "pass")
)
GIVES_UP = edit(
    "a failed look is logged, and is the last one",
    BACKGROUND,
    CATCHES,
    CATCHES + "                return\n",
)
NEVER_STALE = edit(
    "what was seen last counts for ever",
    MONITOR,
    "if age <= self._stale_after:",
    "if age >= 0:",
)
FOR_AN_HOUR = edit(
    "what was seen last counts for an hour",
    MONITOR,
    "self._stale_after = 2 * interval",
    "self._stale_after = 3600 * interval",
)


def _come_to_grief(site: Site, workers: Workers) -> int:
    """Let one look of every worker come to grief; return where the log ended before."""
    ready = workers.ask("GET", site.contract.path("health.ready"))
    floor(all(reply.status == 200 for reply in ready), "it is not ready to begin with")
    mark = site.logs.mark()
    told = workers.ask("GET", site.contract.path("version.path"), key=site.key())
    floor(all(reply.ok for reply in told), "a worker was not told")
    met = site.logs.wait_for(since=mark, count=len(told), timeout_s=_AGAIN_S, event=PLANTED)
    floor(len(met) >= len(told), f"the looks of {len(met)} of {len(told)} workers came to grief")
    return mark


def _becomes(site: Site, workers: Workers, status: int, within_s: float) -> bool:
    path = site.contract.path("health.ready")
    return site.eventually(
        lambda: all(reply.status == status for reply in workers.ask("GET", path)), timeout_s=within_s
    )


@control(ID, broken_by=(DEAD, SILENT, GIVES_UP), setup=FAILS_ONCE, intrusive=True, fresh=True)
def test_a_failed_look_is_logged_and_not_the_last(site: Site) -> None:
    """After a look that failed, the failure is in the log, and a lost database still flips readiness."""
    within_s = site.policy.health.interval_s
    with site.workers() as workers:
        mark = _come_to_grief(site, workers)
        logged = site.logs.wait_for(lambda line: CAUSE in str(line), since=mark)
        back = _becomes(site, workers, 200, within_s)
        with site.faults.dependency("database").lost():
            flipped = _becomes(site, workers, 503, within_s)
        returned = _becomes(site, workers, 200, _AGAIN_S)

    assert logged, "a look failed, and the log does not say so"
    assert back, f"readiness did not return within {within_s:g} s of a failed look"
    assert flipped, "after a failed look the loss of the database does not show in readiness"
    assert returned, "after a failed look the return of the database does not show in readiness"


@control(ID, broken_by=(NEVER_STALE, FOR_AN_HOUR), setup=HANGS_ONCE, fresh=True)
def test_what_was_seen_long_ago_is_not_readiness(site: Site) -> None:
    """Where the dependencies are not looked at any more, readiness turns false within the interval."""
    within_s = site.policy.health.interval_s
    with site.workers() as workers:
        _come_to_grief(site, workers)
        flipped = _becomes(site, workers, 503, within_s)

    assert flipped, f"{within_s:g} s after the last look it still calls itself ready"
