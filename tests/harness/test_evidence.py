from __future__ import annotations

import time

import pytest

from harness import evidence
from harness.evidence import Recorder, recording
from harness.records import Exchange, Measurement, Observation, Table
from harness.redaction import VAULT


def exchange(status=200):
    return Exchange(method="GET", url="http://h/", request_headers=(), status=status, elapsed_ms=1.0)


def test_evidence_goes_to_the_check_that_runs(recorder):
    evidence.record(exchange())

    assert evidence.current() is recorder
    assert recorder.telling() == (exchange(),)


def test_outside_of_a_check_nobody_keeps_it():
    evidence.record(exchange())
    evidence.waited("target", 0, 1)

    assert evidence.current() is None


def test_an_inner_check_does_not_fill_the_outer_one(recorder):
    with recording(Recorder()) as inner:
        evidence.record(exchange())

    assert (inner.total, recorder.total) == (1, 0)


def test_set_up_is_no_evidence_but_its_refusal_is(recorder):
    with evidence.preparing():
        evidence.record(exchange(201))
        evidence.record(Observation(subject="s", data={}))
        evidence.record(exchange(500))
        evidence.record(exchange(0))
    evidence.record(exchange(202))

    assert [item.status for item in recorder.telling()] == [500, 0, 202]


def test_observations_and_measurements_lose_their_secrets(recorder):
    VAULT.learn("secret-of-test-evidence", "$API_KEY")
    evidence.record(
        Observation(subject="secret-of-test-evidence", data={"log": ["x secret-of-test-evidence"]})
    )
    evidence.record(
        Measurement(name="n", value=1.0, unit="s", samples=1, detail={"a": "secret-of-test-evidence"})
    )

    assert "secret-of-test-evidence" not in repr(recorder.telling())
    assert "$API_KEY" in repr(recorder.telling())


def test_the_first_few_and_the_last_are_the_telling_ones(recorder):
    for status in range(100, 200):
        evidence.record(exchange(status))

    assert recorder.total == 100
    assert [item.status for item in recorder.telling(10)] == [*range(100, 108), 198, 199]
    assert [item.status for item in recorder.telling(3)] == [100, 101, 102]


@pytest.mark.parametrize(
    ("target", "demanded", "expected"),
    [
        ([(0, 2), (1, 3)], [], (3, 0)),
        ([(0, 2)], [(1, 4)], (1, 3)),
        ([(5, 6), (0, 1)], [(10, 12)], (2, 2)),
    ],
)
def test_overlapping_waits_are_counted_once(target, demanded, expected):
    recorder = Recorder()
    for span in target:
        recorder.waited("target", *span)
    for span in demanded:
        recorder.waited("demanded", *span)

    assert (recorder.seconds().target_s, recorder.seconds().demanded_s) == expected


def test_the_harness_own_processor_time_is_not_the_targets(recorder):
    started = time.perf_counter()
    with evidence.waiting_for_target():
        sum(range(300_000))

    assert recorder.seconds().target_s < time.perf_counter() - started


def test_an_exhibit_is_kept_however_much_there_is_and_without_its_secrets(recorder):
    VAULT.learn("secret-of-an-exhibit", "$API_KEY")
    for number in range(100):
        evidence.record(exchange(200 + number))
        if number == 50:
            rows = (("secret-of-an-exhibit", 1), (None, 2.5))
            evidence.record(Table(page="fuzz", title="t", columns=("a", "b"), rows=rows))

    kept = recorder.telling(limit=10)

    assert [item.rows for item in kept if isinstance(item, Table)] == [(("$API_KEY", 1), (None, 2.5))]
    assert [item.status for item in kept if isinstance(item, Exchange)] == [*range(200, 208), 298, 299]
