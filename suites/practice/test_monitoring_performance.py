"""The promised latency at the promised rate, from when a request was due; every acknowledged write, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness import Measurement, Observation, control, edit, floor, record, setting
from harness.load.exhibits import exhibits
from harness.load.levels import undelivered
from harness.load.records import LoadResult
from harness.records import Json
from harness.site import Site
from suites.written import SHOWN, assert_listed, sent

ID = "practice.monitoring.performance"
CONTEXT, STORED = "panotti/middleware/context.py", "panotti/storage/recordings.py"
BEGIN = "        answer = _Answer(scope, receive, send)\n"
APPEND = "    await connection.execute(_APPEND, {name: getattr(event, name) for name in Event.__slots__})\n"
WRITE = "    await connection.execute(_MOVES[connection.dialect.name, event.event], _recording(event))\n"
WRITTEN = 600  # requests, half of them writes

STALL = edit(
    "a stall of 40 ms on one request in a hundred",
    CONTEXT,
    BEGIN,
    BEGIN + '        self.served = getattr(self, "served", 0) + 1\n'
    "        if self.served % 100 == 0:\n"
    '            __import__("time").sleep(0.04)  # a pause of the whole worker\n',
)
SHARED_LOCK = edit(
    "one lock for the requests of all workers of a machine",
    CONTEXT,
    BEGIN,
    BEGIN + "        with open(__file__) as shared:\n"
    '            __import__("fcntl").flock(shared, 2)\n'
    '            __import__("time").sleep(0.03)  # room for 33 requests a second on each\n',
)
SLOW_LIST = edit(
    "the listing takes 30 ms longer",
    STORED,
    "    rows = result.mappings().all()\n",
    "    rows = result.mappings().all()\n"
    '    await __import__("asyncio").sleep(0.03)  # a query without its index\n',
)
REFUSALS = setting(title="one request at a time in each worker, others are refused", MAX_CONCURRENCY=1)
FEW = setting(title="a quota that the promised rate exceeds", RATE_ADDRESS_QUOTA=150)
FAILURES = edit(
    "one write in fifty fails",
    STORED,
    WRITE,
    '    if __import__("random").random() < 0.02:\n        raise RuntimeError("now and then")\n' + WRITE,
)
DROPPED = edit(
    "an acknowledged event is not stored, one in twenty",
    STORED,
    APPEND,
    '    if __import__("random").random() > 0.05:\n    ' + APPEND,
)
LOST_RECORDING = edit(
    "an acknowledged recording is not stored, one in twenty",
    STORED,
    WRITE,
    '    if event.event == STARTED and __import__("random").random() < 0.05:\n        return\n' + WRITE,
)
DOUBLED = edit(
    "an event is stored twice, one in twenty",
    STORED,
    APPEND,
    APPEND + '    if __import__("random").random() < 0.05:\n    ' + APPEND,
)


@control(ID, intrusive=True, broken_by=(STALL, SHARED_LOCK, SLOW_LIST))
def test_latency_is_within_the_service_level(site: Site) -> None:
    """At the promised rate each step of a client's journey is answered within its p95 and p99."""
    levels = site.policy.service_levels
    _has_every_step(site)
    measured = site.load.measured("latency")
    for exhibit in exhibits(
        measured.tries,
        levels,
        title=f"{site.profile}, {levels.rate:g} requests a second on {site.deployment.runtime}",
    ):
        record(exhibit)

    over = "; ".join(map(str, measured.broken("latency")))
    assert not over, f"at {levels.rate:g} requests a second: {over}"
    reason = measured.undecided("latency")
    floor(not reason, reason)


@control(ID, intrusive=True, broken_by=(REFUSALS, FEW, FAILURES))
def test_errors_are_within_the_service_level(site: Site) -> None:
    """At the promised rate no more requests than promised are answered wrongly, or not at all."""
    _has_every_step(site)
    measured = site.load.measured("errors")
    wrong, requests = (sum(getattr(one, name) for one in measured.tries) for name in ("failed", "offered"))
    record(
        Measurement(
            name="share of wrong answers",
            value=round(wrong / max(requests, 1), 5),
            unit="",
            samples=requests,
            bound=f"at most {site.policy.service_levels.error_share:g}",
        )
    )

    over = "; ".join(map(str, measured.broken("errors")))
    told = ", ".join(f"{count} {what}" for what, count in [*measured.tries[-1].errors.items()][:SHOWN])
    assert not over, f"{over}: {told}"
    reason = measured.undecided("errors")
    floor(not reason, reason)


@control(ID, intrusive=True, broken_by=(DROPPED, LOST_RECORDING, DOUBLED))
def test_what_the_generator_counted_is_stored_once(site: Site) -> None:
    """Each write that was acknowledged under load is there once, and nothing is there that was not sent."""
    site.contract.path("recordings.events")  # first: a target without it needs no load
    result = site.load.delivered(WRITTEN)
    reason = undelivered(result)
    floor(not reason, reason)
    started, ended = (result.writes.get(kind) for kind in ("started", "ended"))
    floor(started and started.acknowledged, "no recording was acknowledged")
    floor(ended and ended.acknowledged, "no end of a recording was acknowledged")
    assert started is not None
    assert ended is not None

    stored = _stored(site, result, sorted(sent(result)))

    wrong = [
        f"{recording}: {count} of {kind}, not 1"
        for kind, writes in (("recording.started", started), ("recording.ended", ended))
        for recording in writes.acknowledged
        if (count := stored.get(recording, Counter())[kind]) != 1
    ]
    assert not wrong, f"{len(wrong)} acknowledged writes are not there once: {'; '.join(wrong[:SHOWN])}"
    assert_listed(site, result)


def _has_every_step(site: Site) -> None:
    """Fail for a target that lacks a step of the journey: what it lacks cannot keep a service level."""
    for name in ("started", "ended", "read", "list"):
        site.contract.path(f"recordings.{name}")


def _stored(site: Site, result: LoadResult, recordings: Sequence[str]) -> Mapping[str, Counter[str]]:
    """Read the events of each recording back; count them by name."""
    found = site.readback.events(recordings, result.tenant)
    counts = {id_: Counter(str(one["event"]) for one in events) for id_, events in found.items()}
    total = sum(counts.values(), Counter[str]())
    shown: dict[str, Json] = {**total}
    record(Observation(subject=f"events of {len(recordings)} recordings, read back", data=shown))
    return counts
