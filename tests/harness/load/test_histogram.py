"""Latencies in buckets of a thousandth."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.histogram import Histogram


def of(*milliseconds: float) -> Histogram:
    histogram = Histogram()
    for one in milliseconds:
        histogram.record(one)
    return histogram


@given(st.lists(st.floats(0.01, 50_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_the_one_of_the_sorted_values(values: list[float], share: float) -> None:
    expected = sorted(values)[ceil(share * len(values) - 1e-9) - 1]

    assert of(*values).percentile(share) == pytest.approx(expected, rel=0.002, abs=0.002)


def test_what_locust_would_round_away_is_kept() -> None:
    assert of(0.41).percentile(0.5) == pytest.approx(0.41, abs=0.001)
    assert of(204.9).percentile(0.99) > 204.8


def test_it_survives_being_written_and_adds_up() -> None:
    whole = of(1, 2, 3, 400)
    copy = Histogram(of(1, 2).encoded())
    copy.add(Histogram(of(3, 400).encoded()))

    assert (copy.count, copy.max_ms) == (4, whole.max_ms)
    assert [copy.percentile(q) for q in (0.25, 0.5, 0.99)] == [whole.percentile(q) for q in (0.25, 0.5, 0.99)]


def test_an_empty_one_has_no_time_and_an_odd_clock_does_not_count_below_zero() -> None:
    assert (Histogram().percentile(0.99), Histogram().max_ms) == (0.0, 0.0)
    assert of(-3.0).percentile(0.5) == 0.0


def test_what_takes_longer_than_it_can_hold_counts_as_the_longest() -> None:
    assert of(10_000_000.0).count == 1


@pytest.mark.parametrize("text", ["rubbish", "HISTFAAAAAAA"])
def test_rubbish_is_no_histogram(text: str) -> None:
    with pytest.raises(ValueError, match="not a histogram"):
        Histogram(text)


def test_it_counts_what_is_longer() -> None:
    histogram = Histogram()
    for tenths in range(1000):
        histogram.record(tenths / 10)

    assert [histogram.over(bound) for bound in (0.0, 40.0, 99.5, 100.0)] == [999, 599, 4, 0]
    assert Histogram().over(1.0) == 0
