from __future__ import annotations

import hashlib
import random
import secrets
import time
import uuid

import pytest

from harness.probes.entropy import unpredictable_bits


def test_random_ids_are_worth_what_they_are():
    dice = random.Random(7)
    for bits in (128, 160, 256):
        ids = [f"sid_{dice.getrandbits(bits):0{bits // 4}x}" for _ in range(24)]
        assert unpredictable_bits(ids) == pytest.approx(bits, rel=0.06)
        assert unpredictable_bits(ids) <= bits


def test_url_safe_ids_of_256_bits_are_far_above_128():
    assert unpredictable_bits([secrets.token_urlsafe(32) for _ in range(24)]) > 220


@pytest.mark.parametrize(
    "make",
    [
        lambda n: f"{time.time_ns():016x}",
        lambda n: f"session-{n:032d}",
        lambda n: secrets.token_hex(8),
        lambda n: str(uuid.uuid1()),
        lambda n: f"{hashlib.sha256(b'x').hexdigest()}{n % 7}",
    ],
)
def test_short_counted_and_timed_ids_are_not_worth_128_bits(make):
    assert unpredictable_bits([make(n) for n in range(24)]) < 120


def test_few_ids_say_nothing():
    with pytest.raises(ValueError, match="too few"):
        unpredictable_bits(["a"] * 7)
