from __future__ import annotations

import itertools
import threading
import time

import pytest

from harness import evidence
from harness.probes.waiting import demanded_wait, eventually, meanwhile, together
from harness.records import Observation


def test_a_demanded_wait_is_accounted_apart(recorder):
    assert demanded_wait(0.05, why="the window ends")

    assert recorder.seconds().demanded_s >= 0.05
    assert recorder.seconds().target_s == 0
    assert "the window ends" in recorder.telling()[0].name


def test_a_demanded_wait_ends_early_when_it_may(recorder):
    answers = itertools.chain([False, False], itertools.repeat(True))

    assert demanded_wait(60, why="x", until=lambda: next(answers))
    assert recorder.seconds().demanded_s < 30


def test_a_demanded_wait_says_when_it_was_in_vain():
    assert not demanded_wait(0.03, why="x", until=lambda: False)


def test_what_the_target_is_to_do_is_waited_for(recorder):
    numbers = itertools.count()

    assert eventually(lambda: next(numbers) == 3)
    assert not eventually(lambda: False, timeout_s=0.03)
    assert recorder.seconds().target_s > 0


def test_calls_together_run_at_once_and_keep_the_recorder(recorder):
    barrier = threading.Barrier(3, timeout=10)

    def call(number):
        barrier.wait()
        evidence.record(Observation(subject=str(number), data={}))
        return number

    assert together(*(lambda n=n: call(n) for n in range(3))) == [0, 1, 2]
    assert recorder.total == 3


def test_an_error_in_one_of_several_calls_comes_out():
    with pytest.raises(ZeroDivisionError):
        together(lambda: 1 / 0, lambda: 1)


def test_no_calls_give_no_results():
    assert together() == []


def test_no_more_calls_run_at_once_than_allowed():
    running, most, lock = 0, 0, threading.Lock()

    def call():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    together(*[call] * 6, at_once=2)

    assert most <= 2


def test_a_call_goes_on_while_the_block_runs(recorder):
    begun, may_end = threading.Event(), threading.Event()

    def call():
        begun.set()
        evidence.record(Observation(subject="meanwhile", data={}))
        return may_end.wait(10)

    with meanwhile(call) as result:
        assert begun.wait(10)
        assert not result.done()
        may_end.set()

    assert result.result()
    assert recorder.total == 1
