from __future__ import annotations

import pytest

from harness.outcome import NotVerified
from harness.probes import waiting
from harness.probes.meanwhile import meanwhile
from harness.probes.reply import Reply


def test_answers_come_before_during_and_until_the_end_of_what_is_done():
    answers = []

    def ask():
        answers.append(Reply(status=200))
        return answers[-1]

    def act():
        begun = len(answers)
        waiting.eventually(lambda: len(answers) > begun + 2)
        return begun

    begun, replies = meanwhile(ask, act)

    assert begun >= 5
    assert len(replies) > begun + 2
    assert replies == answers


def test_what_goes_wrong_ends_the_asking_and_comes_out():
    def fail():
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        meanwhile(lambda: Reply(status=200), fail)


def test_without_requests_under_way_nothing_is_done(monkeypatch):
    monkeypatch.setattr(waiting, "eventually", lambda condition: condition())

    with pytest.raises(NotVerified, match="under way"):
        meanwhile(lambda: Reply(status=200), lambda: pytest.fail("done all the same"), before=1000)
