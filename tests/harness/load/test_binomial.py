"""Chances of counts, against what can be reckoned by hand."""

from __future__ import annotations

import pytest

from harness.load.binomial import at_least


@pytest.mark.parametrize(
    ("count", "trials", "share", "chance"),
    [
        (0, 10, 0.3, 1.0),
        (1, 1, 0.25, 0.25),
        (1, 2, 0.5, 0.75),
        (2, 2, 0.5, 0.25),
        (3, 2, 0.5, 0.0),
        (9, 10, 0.5, 11 / 1024),
        (1, 1000, 0.001, 1 - 0.999**1000),
    ],
)
def test_the_chance_of_so_many_or_more(count: int, trials: int, share: float, chance: float) -> None:
    assert at_least(count, trials, share) == pytest.approx(chance, rel=1e-9)
