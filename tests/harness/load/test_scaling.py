"""What counts of replicas served, in turn: when their shares are a verdict, and when they are none."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from harness.load.scaling import MOST, Round, Slice, decided, exhibits, open_because, over, shares, short

LEAST = 0.5
NOISE = 0.05  # of each slice, as the standard deviation of a logarithm


def slice_(replicas: int, rate: float, **given: Any) -> Slice:
    """Twelve scheduling periods of a fifth of a processor each, all of it used."""
    usual: dict[str, Any] = {"for_s": 1.2, "periods": 12, "throttled": 12, "most_throttled": 12, "idle": 0.4}
    return Slice(replicas=replicas, served=round(1.2 * rate), used_s=0.24 * replicas, **{**usual, **given})


def rounds(number: int, four: float, two: float = 98.0, **given: Any) -> list[Round]:
    """Rounds in which four and two replicas serve so much a second, and one 49 to 51. given: of the four."""
    return [
        {4: slice_(4, four + at % 3, **given), 2: slice_(2, two - at % 2), 1: slice_(1, 49.0 + at % 3)}
        for at in range(number)
    ]


def drawn(share: float, chance: random.Random) -> tuple[str | None, int]:
    """What comes of replicas whose true share is that, and after how many rounds."""

    def noisy(count: int, rate: float) -> Slice:
        return slice_(count, rate * math.exp(chance.gauss(0, NOISE)))

    found: list[Round] = []
    while len(found) < MOST and not decided(found, LEAST):
        found.append({1: noisy(1, 50), 2: noisy(2, 100), 4: noisy(4, 200 * share)})
    return decided(found, LEAST), len(found)


def test_a_slice_tells_what_was_served_and_used_each_second() -> None:
    one = slice_(2, 100.0)

    assert (one.rate, one.used) == (pytest.approx(100.0), pytest.approx(0.4))
    assert one.held_back
    assert not slice_(2, 100.0, throttled=8).held_back
    assert not slice_(2, 100.0, periods=0, throttled=0).held_back


def test_replicas_of_which_one_alone_is_at_its_quota_are_used_unevenly() -> None:
    assert slice_(4, 50.0, throttled=0).uneven
    assert not slice_(4, 200.0).uneven, "all are at theirs"
    assert not slice_(4, 200.0, throttled=0, most_throttled=0).uneven, "none is"
    assert not slice_(2, 100.0, periods=0, throttled=0, most_throttled=0).uneven, "nothing is known"


def test_replicas_that_serve_nearly_as_many_times_as_much_are_enough_after_three_rounds() -> None:
    assert decided(rounds(2, 190.0), LEAST) is None
    assert decided(rounds(3, 190.0), LEAST) == "enough"
    four, two = shares(rounds(3, 190.0))
    assert (four.replicas, two.replicas) == (4, 2)
    assert four.low < four.mean < four.high
    assert four.mean == pytest.approx(0.95, abs=0.02)


def test_replicas_that_serve_too_little_are_named_with_the_interval() -> None:
    found = rounds(3, 55.0, 60.0, throttled=0)

    assert decided(found, LEAST) == "short"
    assert [str(share).partition(" (")[0] for share in short(found, LEAST)] == [
        "4 replicas serve 28% of 4 times what one does"
    ]


def test_one_count_that_is_short_is_enough_to_fail() -> None:
    assert decided(rounds(4, 190.0, 40.0), LEAST) == "short"


def test_what_is_uncertain_decides_nothing() -> None:
    found = [{**one, 4: slice_(4, rate)} for one, rate in zip(rounds(4, 0), (60, 140, 70, 150), strict=True)]

    assert decided(found, LEAST) is None
    assert "too uncertain to hold against 50%" in open_because(found, LEAST)


def test_a_round_in_which_the_machine_gave_no_quota_does_not_count() -> None:
    spoilt = rounds(2, 80.0, throttled=3, idle=0.02)

    assert decided([*rounds(2, 190.0), *spoilt], LEAST) is None
    assert decided([*rounds(3, 190.0), *spoilt], LEAST) == "enough"
    assert open_because(spoilt, LEAST) == (
        "the machine was too busy to give 4 replicas their quota: 2% of it was left over in a round, "
        "2 moments were spoilt"
    )


def test_a_machine_that_stays_busy_is_not_waited_for() -> None:
    spoilt = rounds(3, 80.0, throttled=3, idle=0.02)

    assert not over(spoilt[:2], LEAST)
    assert over(spoilt, LEAST)
    assert not over([*rounds(1, 190.0), *spoilt], LEAST)
    assert over(rounds(3, 190.0), LEAST)


def test_a_busy_machine_on_which_every_replica_had_its_quota_may_pass_and_cannot_fail() -> None:
    assert decided(rounds(3, 190.0, idle=0.02), LEAST) == "enough"

    found = rounds(3, 55.0, idle=0.02)
    assert decided(found, LEAST) is None
    assert "the machine was too busy" in open_because(found, LEAST)


def test_nothing_served_by_one_replica_is_nothing_to_compare_with() -> None:
    found = [{**one, 1: slice_(1, 0.0)} for one in rounds(3, 190.0)]

    assert decided(found, LEAST) is None
    assert open_because(found, LEAST) == "one replica served nothing"


def test_nothing_served_by_four_replicas_is_short() -> None:
    assert decided([{**one, 4: slice_(4, 0.0)} for one in rounds(3, 0.0)], LEAST) == "short"


def test_a_share_well_beyond_the_least_is_decided_early_and_never_wrongly() -> None:
    chance = random.Random(7)
    healthy = [drawn(0.9, chance) for _ in range(150)]
    faulty = [drawn(0.3, chance) for _ in range(150)]

    assert {verdict for verdict, _ in healthy} == {"enough"}
    assert {verdict for verdict, _ in faulty} == {"short"}
    assert sum(number for _, number in healthy) < 4.5 * len(healthy)


def test_a_share_that_is_the_least_is_hardly_ever_decided() -> None:
    chance = random.Random(7)
    verdicts = [drawn(LEAST, chance)[0] for _ in range(300)]

    assert sum(verdict is not None for verdict in verdicts) <= 9  # 3 %


def test_the_curve_lies_beside_as_many_times_one() -> None:
    chart, table = exhibits(rounds(3, 190.0), LEAST, title="production")

    measured, ideal, bound = chart.lines
    assert [count for count, _ in measured.points] == [1.0, 2.0, 4.0]
    assert [at for _, at in ideal.points] == pytest.approx([50.0, 100.0, 200.0], abs=1.0)
    assert [at for _, at in bound.points] == pytest.approx([50.0, 50.0, 100.0], abs=1.0)
    assert [row[0] for row in table.rows] == [1, 2, 4]
    assert all(len(row) == len(table.columns) for row in table.rows)
