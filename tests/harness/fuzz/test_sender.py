"""Requests one after the other: whose they are, how often they may be, and when the time is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.fuzz.choosing import Choice
from harness.fuzz.message import Message
from harness.fuzz.oracles import Judge
from harness.fuzz.order import Caller, Operation, Order
from harness.fuzz.sender import Case, OutOfTime, Sender
from harness.probes.peer import Peer
from tests.harness.fuzz.conftest import Ordering

QUOTA = Message(operation="GET /quota", method="GET", target="/quota")
ECHO = Message(
    operation="GET /echo",
    method="GET",
    target="/echo?a=b",
    fields=(("X-API-Key", "invented"), ("Accept", "x")),
)
MINE = Caller(name="mine", fields=(("X-API-Key", "a-key"),), account="mine")
YOURS = replace(MINE, name="yours", account="yours")
SOON_S = 0.2


@pytest.fixture
def cases() -> list[Case]:
    return []


@pytest.fixture
def given(order: Ordering) -> Order:
    return order(callers=(MINE, YOURS), per_key=2, window_s=60.0)


@pytest.fixture
def sender(given: Order, plain: Any, cases: list[Case]) -> Iterator[Sender]:
    where = urlsplit(plain.base_url)
    port = where.port or 0
    peer = Peer(
        host="127.0.0.1", port=port, tls=False, name="panotti.test", authority="panotti.test", ca_file=None
    )
    made = Sender(given, peer, Judge(unversioned=(), public=""), cases.append)
    yield made
    made.close()


def test_a_caller_presents_its_own_credential_and_no_invented_one(
    sender: Sender, little: Any, cases: list[Case]
) -> None:
    case = sender.send(ECHO, MINE, "values")

    assert case.reply.ok
    assert cases == [case]
    (seen,) = little.seen
    keys = [value for name, value in seen["headers"] if name == "x-api-key"]
    assert (keys, seen["query"]) == (["a-key"], "a=b")
    assert ("host", "panotti.test") in seen["headers"]


def test_an_account_has_its_quota_and_others_have_theirs(sender: Sender) -> None:
    for _ in range(2):
        sender.send(ECHO, MINE, "values")

    assert not sender.free(MINE)
    assert sender.free(YOURS)
    sender.until(time.monotonic() + SOON_S)
    with pytest.raises(OutOfTime):
        sender.send(ECHO, MINE, "values")
    assert sender.send(ECHO, YOURS, "values").reply.ok


def test_who_was_told_429_waits_as_long_as_it_was_told(
    sender: Sender, little: Any, cases: list[Case]
) -> None:
    little.quota = 0

    assert sender.send(QUOTA, MINE, "values").reply.status == 429
    assert not sender.free(MINE)
    sender.until(time.monotonic() + SOON_S)
    with pytest.raises(OutOfTime):
        sender.send(QUOTA, MINE, "values")
    assert len(cases) == 1


def test_after_the_end_nothing_is_sent(sender: Sender, little: Any) -> None:
    sender.until(time.monotonic())

    with pytest.raises(OutOfTime):
        sender.send(ECHO, MINE, "values")
    assert not little.seen


def test_callers_are_chosen_by_the_seed_mostly_of_those_who_may(given: Order, sender: Sender) -> None:
    operation = Operation(name="GET /echo", allowed=("mine",), refused=("yours",))

    once, again = ([choice.caller(operation).name for _ in range(200)] for choice in _choices(given, sender))

    assert once == again
    assert 0 < once.count("yours") < once.count("mine") / 2
    choice = Choice(given, sender)
    assert {choice.caller(operation, may=True).name for _ in range(100)} == {"mine"}


def test_who_has_no_quota_left_is_passed_over(given: Order, sender: Sender) -> None:
    operation = Operation(name="GET /echo", allowed=("mine", "yours"))
    for _ in range(2):
        sender.send(ECHO, MINE, "values")

    choice = Choice(given, sender)

    assert {choice.caller(operation).name for _ in range(50)} == {"yours"}
    assert choice.named("mine") is not None
    assert choice.named("nobody") is None


def _choices(given: Order, sender: Sender) -> tuple[Choice, Choice]:
    return Choice(given, sender), Choice(given, sender)
