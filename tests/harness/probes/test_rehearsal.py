"""What of a rehearsal belongs to one of its rollouts."""

from __future__ import annotations

from harness.probes.rehearsal import Rehearsal
from harness.probes.writes import Writing
from harness.releases.entries import Outcome
from harness.releases.history import Attempt, Write, judge


def write(id_: str, *spans: tuple[float, float]) -> Write:
    attempts = tuple(Attempt(at=at, done=done, status=200) for at, done in spans)
    return Write(id=id_, due=spans[0][0], content={}, attempts=attempts)


def test_the_writes_of_a_rollout_are_those_that_were_under_way_in_it() -> None:
    outcome = Outcome(
        operation="release",
        version="1.1.0",
        before="1.0.0",
        result="taken",
        why="",
        serving="1.1.0",
        steps=(),
        began=10.0,
        ended=20.0,
    )
    writes = [
        write("before", (8.0, 9.0)),
        write("into", (9.5, 10.5)),
        write("within", (12.0, 12.1)),
        write("sent again", (8.0, 9.0), (11.0, 11.5)),
        write("out of", (19.9, 20.2)),
        write("after", (20.1, 20.3)),
    ]
    seen = Rehearsal(
        outcomes=(outcome,),
        stood=(),
        writing=Writing(tenant="t", writes=writes),
        judged=judge(writes, {}),
        samples=(),
    )

    assert [one.id for one in seen.during(outcome).writes] == ["into", "within", "sent again", "out of"]
