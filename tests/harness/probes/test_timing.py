from __future__ import annotations

import random
import statistics

import pytest

from harness.outcome import NotVerified
from harness.probes import paired, timing
from harness.probes.message import compose
from harness.probes.paired import ALPHA, judge_pairs
from harness.probes.timing import TimingProbe


def noise(seed, n=2000, shift=0.0):
    dice = random.Random(seed)
    return [
        shift + dice.gauss(0, 30e-6) + dice.expovariate(1 / 50e-6) - dice.expovariate(1 / 50e-6)
        for _ in range(n)
    ]


def test_pure_noise_shows_no_effect():
    values = [judge_pairs(noise(seed)).p_value for seed in range(8)]

    assert min(values) > ALPHA
    assert 0.2 < statistics.fmean(values) < 0.8


def test_an_effect_of_the_stated_size_is_found_with_its_size():
    for seed in range(8):
        smallest = judge_pairs(noise(seed)).detectable
        effect = judge_pairs(noise(seed + 100, shift=1.5 * smallest))
        assert effect.p_value <= ALPHA
        assert effect.interval[0] < 1.5 * smallest < effect.interval[1]
        assert effect.interval[0] > 0


def test_a_few_wild_samples_hide_and_feign_nothing():
    values = noise(1)
    values[::50] = [0.5] * len(values[::50])
    effect = judge_pairs(values)

    assert abs(effect.mean) < 100e-6
    assert effect.detectable < 100e-6


def test_few_pairs_say_nothing():
    with pytest.raises(ValueError, match="too few"):
        judge_pairs([0.0] * 39)


def test_noise_gives_the_same_error_alone():
    assert paired.standard_error(noise(1)) == pytest.approx(judge_pairs(noise(1)).standard_error)


def compare(deployment, **options):
    a, b = (compose("GET", "/echo", headers={"X-Variant": name}) for name in "ab")
    return TimingProbe(deployment).compare(a, b, **options)


def test_a_slower_variant_is_told_apart(plain, little, recorder):
    little.delays = lambda request: 0.002 if ["x-variant", "b"] in map(list, request["headers"]) else 0.0
    result = compare(plain, looked_for_s=2e-3, within_s=20, most=800)

    assert result.distinguishable
    assert result.effect.mean > 1e-3
    assert "µs apart" in str(result)
    first, again = recorder.telling()
    assert first.detail["alpha"] == ALPHA
    assert (first.samples, again.samples) == (800, 1600)
    assert recorder.seconds().target_s > 0


def test_an_effect_that_is_not_there_again_is_none(plain, little, recorder):
    little.delays = lambda request: (
        0.002 if ["x-variant", "b"] in map(list, request["headers"]) and little.made < 1660 else 0.0
    )
    result = compare(plain, looked_for_s=2e-3, within_s=20, most=800)

    assert not result.distinguishable
    assert recorder.total == 2


def test_like_requests_are_not_told_apart(plain):
    result = compare(plain, looked_for_s=5e-3, within_s=20)

    assert not result.distinguishable
    assert result.status == 200


def test_too_much_noise_is_not_verified_with_its_figures(plain, recorder):
    with pytest.raises(NotVerified, match=r"too noisy: after 800 pairs .* asked for"):
        compare(plain, looked_for_s=1e-9, most=800, within_s=30)

    assert recorder.total == 1


def test_answers_that_are_not_alike_are_not_compared(plain, little):
    little.quota = 100
    a, b = (compose("GET", "/quota") for _ in range(2))
    with pytest.raises(NotVerified, match="not alike"):
        TimingProbe(plain).compare(a, b, within_s=30, most=800)


def test_no_time_for_samples_is_not_verified(plain, monkeypatch):
    monkeypatch.setattr(timing, "_ROUND", 2)
    with pytest.raises(NotVerified, match="too few"):
        compare(plain, within_s=0)
