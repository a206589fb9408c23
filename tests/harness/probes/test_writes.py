"""Writes under way, against a little server that keeps them well, loses, doubles, or forgets to answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness import places
from harness.contract import read_contract
from harness.credentials import Credentials
from harness.outcome import NotVerified
from harness.policy.loader import load_policy
from harness.probes.burst import BurstProbe
from harness.probes.http import HttpProbe
from harness.probes.readback import ReadBackProbe
from harness.probes.writes import WriteProbe, Writing
from harness.releases.history import Answered, Fate

STARTED = "/api/recording-started"
PAGE = 3


class Keeper:
    """Makes the little server keep recordings. before: what it answers instead of storing, by number.

    after: what it answers although it has stored. copies: how often it stores the n-th.
    fails: whether the n-th reading does.
    """

    def __init__(self, little: Any) -> None:
        self.kept: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, int] = {}
        self.before: Callable[[int], int | None] = lambda _: None
        self.after: Callable[[int], int | None] = lambda _: None
        self.copies: Callable[[int], int] = lambda _: 1
        self.fails: Callable[[int], bool] = lambda _: False
        self.asked = self.looked = 0
        usual = little._answer

        def answer(request: dict[str, Any], number: int) -> Any:
            path, method = request["path"], request["method"]
            if (method, path) == ("POST", STARTED):
                return self.store(request), {}, []
            if method == "GET" and path.startswith("/api/recordings"):
                self.looked += 1
                if self.fails(self.looked):
                    return 500, {}, []
                return self.read(path, request["query"])
            return usual(request, number)

        little._answer = answer

    def store(self, request: dict[str, Any]) -> int:
        self.asked += 1
        number = self.asked
        if status := self.before(number):
            return status
        key = next(value for name, value in request["headers"] if name == "idempotency-key")
        if key not in self.answers:
            body = json.loads(request["body"])
            event = {"event": "recording.started", **body}
            self.kept += [(body["recordingId"], event)] * self.copies(number)
            self.answers[key] = 200
        return self.after(number) or 200

    def read(self, path: str, query: str) -> Any:
        ids = [*dict.fromkeys(id_ for id_, _ in self.kept)]
        if path == "/api/recordings":
            start = int(query.partition("cursor=")[2] or 0)
            more = start + PAGE if start + PAGE < len(ids) else None
            page = [{"recording_id": id_} for id_ in ids[start : start + PAGE]]
            return 200, {"recordings": page, "next_cursor": more}, []
        id_ = path.split("/")[3]
        events = [event for known, event in self.kept if known == id_]
        return (200, {"events": events}, []) if events else (404, {}, [])


@pytest.fixture
def keeper(little: Any) -> Keeper:
    return Keeper(little)


@pytest.fixture
def probe(plain: Any) -> Iterator[WriteProbe]:
    contract, http = read_contract(places.CONTRACT), HttpProbe(plain)
    credentials = Credentials(http, contract, plain.api_key)
    back = ReadBackProbe(http, BurstProbe(plain), contract=contract, credentials=credentials)
    policy = load_policy("production")
    yield WriteProbe(plain, policy=policy, contract=contract, credentials=credentials, back=back)
    http.close()


def written(probe: WriteProbe, keeper: Keeper, least: int = 10) -> Writing:
    with probe(per_s=200) as writing:
        while keeper.asked < least:
            time.sleep(0.005)
    return writing


def test_what_is_kept_is_there_once(probe: WriteProbe, keeper: Keeper, recorder: Any) -> None:
    writing = written(probe, keeper)

    judged = probe.judged(writing)

    assert judged.counts == {(Answered.ACKNOWLEDGED, Fate.ONCE): len(writing.writes)}
    assert not judged.broken
    assert not writing.disturbed
    assert writing.writes == sorted(writing.writes, key=lambda write: write.due)
    assert "counts" in recorder.telling()[-1].data


@pytest.mark.parametrize("answer", [500, 503])
def test_what_stays_without_an_answer_is_sent_again_under_its_key(
    probe: WriteProbe, keeper: Keeper, answer: int
) -> None:
    keeper.after = lambda number: answer if number <= 3 else None

    writing = written(probe, keeper)

    assert len(writing.disturbed) == 3
    assert writing.told() == f"3 x {answer}"
    assert not writing.failed, "the second attempt was acknowledged"
    assert probe.judged(writing).counts == {(Answered.ACKNOWLEDGED, Fate.ONCE): len(writing.writes)}


def test_a_write_that_is_never_answered_well_stays_unknown_and_may_be_there(
    probe: WriteProbe, keeper: Keeper
) -> None:
    keeper.after = lambda _: 503

    judged = probe.judged(written(probe, keeper, least=4))

    assert {answered for answered, _ in judged.counts} == {Answered.UNKNOWN}
    assert not judged.broken


def test_a_server_that_forgets_idempotency_keys_stores_twice(probe: WriteProbe, keeper: Keeper) -> None:
    def forgetful(number: int) -> int | None:
        keeper.answers.clear()
        return 503 if number == 1 else None

    keeper.after = forgetful

    broken = probe.judged(written(probe, keeper)).broken

    assert len(broken) == 1
    assert broken[0].endswith("acknowledged, and it is there more than once")


@pytest.mark.parametrize(
    ("copies", "told"), [(0, "acknowledged, and it is not there"), (2, "it is there more than once")]
)
def test_a_lost_and_a_doubled_write_are_found(
    probe: WriteProbe, keeper: Keeper, copies: int, told: str
) -> None:
    keeper.copies = lambda number: copies if number == 2 else 1

    broken = probe.judged(written(probe, keeper)).broken

    assert len(broken) == 1
    assert broken[0].endswith(told)


def test_an_altered_write_and_one_that_nobody_sent_are_found(probe: WriteProbe, keeper: Keeper) -> None:
    writing = written(probe, keeper)
    keeper.kept[0][1]["metadata"]["number"] = 99
    keeper.kept.append(("stranger", {"event": "recording.started"}))

    broken = probe.judged(writing).broken

    assert [sentence.partition(": ")[2] for sentence in broken] == [
        "acknowledged, and what is there is not what was sent",
        "nobody sent it, and it is there",
    ]


def test_a_refused_write_is_not_sent_again(probe: WriteProbe, keeper: Keeper) -> None:
    keeper.before = lambda number: 422 if number == 1 else None

    writing = written(probe, keeper)
    judged = probe.judged(writing)

    assert len(writing.failed) == 1
    assert len(writing.failed[0].attempts) == 1
    assert judged.counts[Answered.REFUSED, Fate.ABSENT] == 1
    assert not judged.broken


def test_what_is_stored_is_read_though_a_server_fails_now_and_then(probe: WriteProbe, keeper: Keeper) -> None:
    writing = written(probe, keeper)
    keeper.fails = lambda number: number % 2 == 1

    assert probe.judged(writing).counts == {(Answered.ACKNOWLEDGED, Fate.ONCE): len(writing.writes)}

    keeper.fails = lambda _: True
    with pytest.raises(NotVerified, match="500"):
        probe.judged(writing)


def test_writes_do_not_wait_for_those_before_and_are_bounded(
    probe: WriteProbe, keeper: Keeper, little: Any
) -> None:
    little.delays = lambda request: 1.0 if request["path"] == STARTED else 0.0
    with probe(per_s=200) as writing:
        deadline = time.monotonic() + 10
        while not writing.withheld and time.monotonic() < deadline:
            time.sleep(0.005)

    assert writing.withheld
    assert keeper.asked >= 32, "as many as may be under way were"


def test_a_listing_that_does_not_answer_decides_nothing(
    probe: WriteProbe, keeper: Keeper, little: Any
) -> None:
    writing = written(probe, keeper)
    keeper.read = lambda path, query: (500, {}, [])  # type: ignore[method-assign]

    with pytest.raises(NotVerified, match="the listing is not answered: 500"):
        probe.judged(writing)
