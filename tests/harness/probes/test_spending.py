from __future__ import annotations

import itertools

import pytest

from harness.outcome import NotVerified
from harness.probes.message import compose
from harness.probes.spending import spending

CHEAP, DEAR = compose("GET", "/cheap"), compose("GET", "/dear")


@pytest.fixture
def used(little):
    """What the server says it has used: 100 µs for each request, and 25 more for each dear one."""
    clock = itertools.accumulate(itertools.repeat(100_000))
    extra = 0

    def tell(request):
        nonlocal extra
        now = {"cpu_ns": next(clock) + extra}
        extra += 25_000 if request["path"] == "/dear" else 0
        little.answers[("GET", request["path"])] = (200, now)
        return 0.0

    little.delays = tell


@pytest.mark.usefixtures("used")
def test_the_dear_request_is_told_by_what_follows_it(plain, recorder):
    found = spending(plain, CHEAP, DEAR)

    assert found.whole == 125_000
    assert found.share == pytest.approx(0.2)
    assert found.interval == pytest.approx((0.2, 0.2))
    (measured,) = recorder.telling()
    assert measured.samples == found.extra.pairs == 400


def test_a_server_that_does_not_tell_its_clock_is_not_judged(plain):
    with pytest.raises(NotVerified, match="processor time"):
        spending(plain, CHEAP, DEAR)


def test_the_clocks_of_several_processes_are_not_compared(plain, little):
    clocks = itertools.cycle([10_000_000, 5_000_000])
    little.delays = lambda request: (
        little.answers.update({("GET", request["path"]): (200, {"cpu_ns": next(clocks)})}) or 0.0
    )

    with pytest.raises(NotVerified, match="several processes"):
        spending(plain, CHEAP, DEAR, pairs=50)
