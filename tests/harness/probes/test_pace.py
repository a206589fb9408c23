"""The pace of requests: below the quota of an address, and out of the way of what means to reach it."""

from __future__ import annotations

import pytest

from harness.evidence import Recorder, recording
from harness.probes import pace as module
from harness.probes.pace import Pace

QUOTA, WINDOW_S = 8, 20.0  # room for 6


class Clock:
    """Time as this module's tests let it pass; a sleep passes at once."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def seconds(clock: Clock, pace: Pace, path: str, count: int = 1) -> float:
    began = clock.now
    pace.take(path, count)
    return clock.now - began


def test_what_fits_waits_for_nothing() -> None:
    pace, recorder = Pace(QUOTA, WINDOW_S), Recorder()

    with recording(recorder):
        for _ in range(6):
            pace.take("/a")

    assert recorder.seconds().demanded_s == 0


def test_what_does_not_fit_waits_until_the_window_has_room(clock: Clock) -> None:
    pace, recorder = Pace(QUOTA, WINDOW_S), Recorder()
    pace.take("/a", 6)

    with recording(recorder):
        assert seconds(clock, pace, "/a") >= WINDOW_S

    assert recorder.seconds().demanded_s >= WINDOW_S, "a wait that the quota demands, and not the target's"


def test_several_wait_for_room_for_all_of_them(clock: Clock) -> None:
    pace = Pace(QUOTA, WINDOW_S)
    pace.take("/a", 3)
    clock.sleep(WINDOW_S / 2)
    pace.take("/a", 2)

    assert seconds(clock, pace, "/a", 4) >= WINDOW_S / 2 * 0.9


def test_paths_that_are_not_counted_take_no_room(clock: Clock) -> None:
    pace = Pace(QUOTA, WINDOW_S, exempt=("/health",))
    for _ in range(100):
        pace.take("/health?x=1")

    assert seconds(clock, pace, "/a", 6) == 0


def test_what_means_to_use_the_quota_up_is_let_through() -> None:
    pace = Pace(QUOTA, WINDOW_S)
    pace.take("/a", 6)
    recorder = Recorder()

    with recording(recorder):
        pace.take("/a", 20)

    assert recorder.seconds().demanded_s == 0
