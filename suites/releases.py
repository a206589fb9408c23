"""What checks of releases share: the releases that they try, and rollouts done once for a deployment."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Final

from harness import added, control, defect, edit, prompt
from harness.defects import remade
from harness.probes.rehearsal import Rehearsal
from harness.probes.rollout import RolloutProbe
from harness.releases.entries import Outcome, Step
from harness.releases.history import Write
from harness.releases.stage import Colour, Release
from harness.site import Site
from suites.replicas import REPLICATED, WHY_NOT

STORED: Final = "panotti/storage/recordings.py"
MIGRATIONS: Final = "panotti/storage/migrations/versions"
WRITTEN: Final = 100  # writes that a history needs at least
NEARLY_S: Final = 0.2  # a switch takes less than the time between two writes

# Who recorded: a column that the older release neither writes nor minds, and needs once it is contracted.
_MIGRATION: Final = '''"""Who recorded."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"
branch_labels = None
depends_on = None

PHASE = "{phase}"


def upgrade() -> None:
    {change}
'''
_EXPANSION: Final = f"{MIGRATIONS}/0002_who_recorded.py"
_DEMAND: Final = f"{MIGRATIONS}/0003_nobody_is_no_answer.py"
_DEMANDS: Final = (
    'op.execute("LOCK TABLE recordings IN ACCESS EXCLUSIVE MODE")\n'
    """    op.execute("UPDATE recordings SET recorder = '' WHERE recorder IS NULL")\n"""
    '    op.alter_column("recordings", "recorder", nullable=False)'
)
_EXPANDS: Final = 'op.add_column("recordings", sa.Column("recorder", sa.String(64), nullable=True))'


def _migration(revision: str, phase: str, change: str) -> str:
    before = f"{int(revision) - 1:04}"
    return _MIGRATION.format(revision=revision, before=before, phase=phase, change=change)


WITH_SCHEMA: Final = defect(
    "a change of the schema",
    added("", _EXPANSION, _migration("0002", "expand", _EXPANDS)),
    edit(
        "",
        "panotti/storage/models.py",
        '    UniqueConstraint("tenant", "recording_id", name="recordings_by_tenant_and_recording"),\n',
        '    Column("recorder", String(64)),\n'
        '    UniqueConstraint("tenant", "recording_id", name="recordings_by_tenant_and_recording"),\n',
    ),
    edit(
        "",
        STORED,
        '        "created_at": event.received_at,\n',
        '        "recorder": event.principal,\n        "created_at": event.received_at,\n',
    ),
)
NEVER_READY: Final = edit(
    "it never gets ready",
    "panotti/routes/health.py",
    "encoded(OK) if services_of(request.scope).monitor.ready else encoded",
    "encoded(OK) if services_of(request.scope).monitor is None else encoded",
)
FAILS: Final = edit(
    "one request in twenty fails",
    "panotti/middleware/errors.py",
    "        try:\n            await self.app(scope, receive, watched)\n",
    "        try:\n"
    '            self.asked = getattr(self, "asked", 0) + (not scope["path"].startswith("/health"))\n'
    "            if self.asked % 20 == 19:\n"
    "                self.asked += 1\n"
    '                raise RuntimeError("now and then")\n'
    "            await self.app(scope, receive, watched)\n",
)
KEEPS_NOTHING: Final = edit(
    "writes are acknowledged and not kept",
    STORED,
    "    await connection.execute(_MOVES[connection.dialect.name, event.event], _recording(event))\n",
    "    await connection.execute(select(recordings.c.id).limit(1))\n",
)
# By version, what each of them changes of the reference.
GOOD, UNREADY, FAILING, FORGETTING, INTERRUPTED = "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0"
RELEASES: Final = {
    GOOD: WITH_SCHEMA,
    UNREADY: NEVER_READY,
    FAILING: FAILS,
    FORGETTING: KEEPS_NOTHING,
    INTERRUPTED: WITH_SCHEMA,
}
DESTRUCTIVE: Final = remade(
    "a migration that demands at once what the older release does not write",
    GOOD,
    added("", _DEMAND, _migration("0003", "expand", _DEMANDS)),
)

# They share one deployment with one another, and with no other checks: other releases stand there at the end.
released = partial(
    control,
    profiles=REPLICATED,
    prove_in="production",
    runtimes=("containers",),
    why_not=WHY_NOT,
    intrusive=True,
    group="releases",
)


def made(site: Site, version: str) -> Release:
    """Build one of the releases."""
    return site.rollout.made(version, RELEASES[version])


def there_and_back(site: Site) -> Rehearsal:
    """A good release with a change of the schema put into service, and the return from it."""
    good = made(site, GOOD)

    def work(rollout: RolloutProbe) -> None:
        if rollout.release(good).result == "taken":
            rollout.rollback()

    return site.rollout.rehearse("a release with a change of the schema, and the return from it", work)


def kept(site: Site) -> Release:
    """A release that has served, does not now, and stands warm: what a rollback is tried with.

    The one that stands beside, or the good one; where that has not served yet, it takes the place of the
    first, and the first is returned.
    """
    rollouts = site.rollout
    first, beside, good = rollouts.home(), rollouts.stands().beside, made(site, GOOD)
    if beside is not None and beside.version in rollouts.state.taken:
        return beside
    found = good
    if GOOD not in rollouts.state.taken:
        taken(rollouts.release(good))
        found = first
    rollouts.warm_up(found)
    return found


def taken(*outcomes: Outcome) -> None:
    """Demand that every rollout was taken."""
    for one in outcomes:
        told = f"the {one.operation} of {one.version} ended as {one.result}: {one.why}"
        prompt(one.result == "taken", told)  # a release that is slow as everything is slow is left, too


def taken_there_and_back(seen: Rehearsal) -> None:
    """Demand that a release and the return from it were taken."""
    taken(*seen.outcomes)
    assert len(seen.outcomes) > 1, "nothing was returned from"


def met_a_switch(seen: Rehearsal) -> list[Write]:
    """Return the writes that were under way while clients were sent from one colour to the other.

    Or nearly: a connection that was used before is used again after.
    """
    spans = [(began - NEARLY_S, over + NEARLY_S) for began, over in _switches(seen)]
    return [
        write
        for write in seen.writing.writes
        if any(write.attempts[0].at <= over and write.attempts[0].done >= began for began, over in spans)
    ]


def answered_after_switches(seen: Rehearsal) -> list[dict[Colour, int]]:
    """Return for each switch how many requests each colour answered from its end to the next one's begin."""
    spans = _switches(seen)
    until = [*(began for began, _ in spans[1:]), float("inf")]
    return [
        {
            colour: sum(
                sample.traffic[colour].requests
                for before, sample in pairwise(seen.samples)
                if over <= before.at and sample.at <= end and colour in sample.traffic
            )
            for colour in Colour
        }
        for (_, over), end in zip(spans, until, strict=True)
    ]


def _switches(seen: Rehearsal) -> list[tuple[float, float]]:
    """Return when each switch began, and when it was over; Unix time in seconds."""
    return [
        (first.at, last.at)
        for outcome in seen.outcomes
        for first, last in pairwise(outcome.steps)
        if first.step is last.step is Step.SWITCH
    ]
