"""The checker of histories, on histories written by hand."""

from __future__ import annotations

import pytest

from harness.releases.history import Answered, Attempt, Fate, Write, judge

CONTENT = {"metadata": "m-1", "path": "/a.wav"}


def write(*statuses: int, id_: str = "w-1") -> Write:
    attempts = tuple(
        Attempt(at=float(n), done=n + 0.5, status=status, error="" if status else "closed")
        for n, status in enumerate(statuses)
    )
    return Write(id=id_, due=0.0, content=CONTENT, attempts=attempts)


@pytest.mark.parametrize(
    ("statuses", "answered"),
    [
        ((200,), Answered.ACKNOWLEDGED),
        ((201,), Answered.ACKNOWLEDGED),
        ((422,), Answered.REFUSED),
        ((429,), Answered.REFUSED),
        ((0,), Answered.UNKNOWN),
        ((500,), Answered.UNKNOWN),
        ((503,), Answered.UNKNOWN),
        ((504,), Answered.UNKNOWN),
        ((408,), Answered.UNKNOWN),
        ((0, 200), Answered.ACKNOWLEDGED),
        ((503, 0, 200), Answered.ACKNOWLEDGED),
        ((0, 429), Answered.UNKNOWN),
        ((429, 429), Answered.REFUSED),
        ((0, 0, 0), Answered.UNKNOWN),
    ],
)
def test_what_a_client_knows_of_a_write(statuses: tuple[int, ...], answered: Answered) -> None:
    assert write(*statuses).answered is answered


@pytest.mark.parametrize(
    ("found", "fate"),
    [
        ([], Fate.ABSENT),
        ([CONTENT], Fate.ONCE),
        ([CONTENT, CONTENT], Fate.DUPLICATED),
        ([{**CONTENT, "path": ""}], Fate.ALTERED),
        ([{"metadata": "m-1"}], Fate.ALTERED),
        ([CONTENT, {**CONTENT, "metadata": "m-2"}], Fate.ALTERED),
    ],
)
def test_what_is_found_of_a_write(found: list[dict[str, str]], fate: Fate) -> None:
    assert judge([write(200)], {"w-1": found}).fates == {"w-1": (Answered.ACKNOWLEDGED, fate)}


@pytest.mark.parametrize(
    ("statuses", "found", "promise"),
    [
        ((200,), [CONTENT], ""),
        ((200,), [], "w-1: acknowledged, and it is not there"),
        ((200,), [CONTENT] * 2, "w-1: acknowledged, and it is there more than once"),
        ((200,), [{}], "w-1: acknowledged, and what is there is not what was sent"),
        ((0,), [], ""),
        ((0,), [CONTENT], ""),
        ((0,), [CONTENT] * 2, "w-1: unknown, and it is there more than once"),
        ((0, 0), [{}], "w-1: unknown, and what is there is not what was sent"),
        ((0, 200), [CONTENT] * 2, "w-1: acknowledged, and it is there more than once"),
        ((422,), [], ""),
        ((422,), [CONTENT], "w-1: refused, and it is there"),
        ((0, 422), [CONTENT], ""),
    ],
)
def test_which_promises_are_broken(
    statuses: tuple[int, ...], found: list[dict[str, str]], promise: str
) -> None:
    broken = judge([write(*statuses)], {"w-1": found}).broken

    assert broken == ((promise,) if promise else ())


def test_what_nobody_sent_must_not_be_there() -> None:
    judged = judge([write(200)], {"w-1": [CONTENT], "w-9": [CONTENT], "w-8": []})

    assert judged.strange == ("w-9",)
    assert judged.broken == ("w-9: nobody sent it, and it is there",)


def test_a_whole_history_is_counted() -> None:
    writes = [
        *(write(200, id_=f"ok-{n}") for n in range(3)),
        write(0, id_="gone"),
        write(0, id_="came"),
        write(429, id_="no"),
        write(200, id_="lost"),
    ]
    stored = {**{f"ok-{n}": [CONTENT] for n in range(3)}, "came": [CONTENT]}

    judged = judge(writes, stored)

    assert judged.counts == {
        (Answered.ACKNOWLEDGED, Fate.ONCE): 3,
        (Answered.ACKNOWLEDGED, Fate.ABSENT): 1,
        (Answered.UNKNOWN, Fate.ABSENT): 1,
        (Answered.UNKNOWN, Fate.ONCE): 1,
        (Answered.REFUSED, Fate.ABSENT): 1,
    }
    assert judged.broken == ("lost: acknowledged, and it is not there",)


def test_a_write_whose_first_attempt_was_not_acknowledged_was_disturbed() -> None:
    assert write(0, 200).disturbed
    assert not write(200).disturbed
    assert write(0, 200).done == 1.5


def test_what_became_of_some_writes_is_told_without_the_others() -> None:
    kept, lost = write(200, id_="w-kept"), write(200, id_="w-lost")
    judged = judge([kept, lost], {"w-kept": [CONTENT], "w-strange": [CONTENT]})

    assert len(judged.broken) == 2
    assert judged.only([kept]).broken == ()
    assert len(judged.only([lost]).broken) == 1
