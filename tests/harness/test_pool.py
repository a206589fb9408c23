"""Which worker gets which unit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.costs import CLASSES, CostClass
from harness.pool import Pool, Unit


def unit(number: int, *, home: str = "", cost: CostClass = "quick", seconds: float = 10.0) -> Unit:
    return Unit(items=(number,), home=home, cost=cost, seconds=seconds)


def pool(*units: Unit, workers: int = 2, busy: int = 9) -> Pool:
    made = Pool(units, busy=busy)
    for number in range(workers):
        made.join(f"gw{number}")
    return made


def test_the_longest_comes_first() -> None:
    short, long = unit(1, seconds=1), unit(2, seconds=5)
    one = pool(short, long)

    assert [one.take("gw0"), one.take("gw0"), one.take("gw0")] == [long, short, None]


def test_what_dirties_a_deployment_comes_after_the_rest_of_it() -> None:
    dirties = Unit(items=(1,), home="here", cost="quick", seconds=50, late=True)
    one = pool(dirties, unit(2, home="here", seconds=1), workers=1)

    assert [one.take("gw0"), one.take("gw0")] == [unit(2, home="here", seconds=1), dirties]


def test_a_worker_keeps_to_the_deployment_that_it_has() -> None:
    there, elsewhere = unit(1, home="here", seconds=20), unit(2, home="there", seconds=30)
    more = unit(3, home="there", seconds=1)
    one = pool(there, elsewhere, more)

    assert one.take("gw0") == elsewhere
    assert one.take("gw0") == more
    assert one.take("gw1") == there


def test_a_deployment_of_its_own_is_nobodys_in_particular() -> None:
    home, own = unit(1, home="here", seconds=9), unit(2, seconds=50)
    one = pool(home, own)

    assert one.take("gw0") == home, "a worker begins with a deployment that is shared"
    assert one.take("gw0") == own


def test_another_worker_joins_a_deployment_only_for_enough_work() -> None:
    one = pool(unit(1, home="here", seconds=4), unit(2, home="here", seconds=3))
    assert one.take("gw0") is not None

    assert one.take("gw1") is None
    assert one.take("gw0") is not None


def test_where_enough_of_them_work_the_next_one_waits() -> None:
    work, more, wait = unit(1, seconds=9), unit(2, seconds=8), unit(3, cost="waiting", seconds=1)
    one = pool(work, more, wait, busy=1)

    assert one.take("gw0") == work
    assert one.take("gw1") == wait
    assert one.take("gw1") == more, "nothing is left that waits"


def test_measurements_are_the_last_workers_alone() -> None:
    measured = unit(1, cost="measuring", seconds=60)
    one = pool(measured, unit(2, seconds=1))

    assert one.take("gw0") == unit(2, seconds=1)
    assert one.take("gw0") is None
    assert one.take("gw1") is None
    one.leave("gw1")
    assert one.take("gw0") == measured
    assert one.empty


def test_what_a_worker_leaves_undone_is_given_to_another() -> None:
    whole = unit(1)
    one = pool(whole)
    assert one.take("gw0") == whole

    one.leave("gw0", whole)

    assert one.take("gw1") == whole


UNITS = st.lists(
    st.builds(
        Unit,
        items=st.just((0,)),
        home=st.sampled_from(["", "a", "b"]),
        cost=st.sampled_from(CLASSES),
        seconds=st.floats(0, 100),
    ),
    max_size=30,
)


@given(units=UNITS, workers=st.integers(1, 4), dice=st.randoms(use_true_random=False))
def test_every_unit_is_given_out_once(units: list[Unit], workers: int, dice: object) -> None:
    """Whatever the order in which workers come, and leave once nothing is left for them."""
    numbered = [
        Unit(items=(number,), home=one.home, cost=one.cost, seconds=one.seconds)
        for number, one in enumerate(units)
    ]
    made, there, given_out = pool(*numbered, workers=workers), [f"gw{n}" for n in range(workers)], []
    while there:
        worker = dice.choice(there)  # type: ignore[attr-defined]
        found = made.take(worker)
        if found is None:
            there.remove(worker)
            if there or made.empty:
                made.leave(worker)
            else:
                there.append(worker)  # the last one stays
        else:
            given_out.append(found)

    assert sorted(one.items for one in given_out) == sorted(one.items for one in numbered)
