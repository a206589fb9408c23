"""A run that ends as soon as it has decided what it is about."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from harness.disturbance import Moment
from harness.load.early import Early
from harness.load.order import Order, Reach
from harness.load.records import SLICE_S
from tests.harness.load.results import LEVELS
from tests.harness.load.slices import BUSY, CALM, QUICK, slice_

BEGAN = 100.0
SLOW = {**QUICK, "start": (900.0,) * 25}
REACH = Reach(base_url="http://127.0.0.1:9", host="a", key="b", auth_header="c", paths={})
ORDER = Order(reach=REACH, rate=100.0, for_s=60.0, keys=1, levels=LEVELS, kind="latency")


def write(file: Path, moment: Moment, count: int) -> None:
    with file.open("ab") as lines:
        for number in range(count):
            began = BEGAN + number * SLICE_S
            lines.write(orjson.dumps(asdict(replace(moment, began=began, ended=began + SLICE_S))) + b"\n")


@pytest.mark.parametrize(("moment", "decided"), [(CALM, True), (BUSY, False)])
def test_slices_wait_for_what_the_machine_did_in_them(
    tmp_path: Path, moment: Moment, *, decided: bool
) -> None:
    file = tmp_path / "moments"
    file.touch()
    early = Early(replace(ORDER, moments=str(file)), BEGAN)

    early.take(slice_(number, SLOW) for number in range(20))
    assert not early.over, "it is not known what the machine did"
    write(file, moment, 19)
    early.take([])

    assert early.over == decided


def test_where_nobody_looks_at_the_machine_slices_decide_alone() -> None:
    early = Early(ORDER, BEGAN)

    early.take(slice_(number, SLOW) for number in range(4))
    assert not early.over
    early.take(slice_(number, SLOW) for number in range(4, 20))

    assert early.over


def test_where_every_slice_is_disturbed_it_ends_to_be_tried_again(tmp_path: Path) -> None:
    file = tmp_path / "moments"
    early = Early(replace(ORDER, moments=str(file)), BEGAN)
    write(file, BUSY, 30)

    early.take(slice_(number, witness=(90.0,)) for number in range(19))
    assert not early.over
    early.take([slice_(19, witness=(90.0,))])

    assert early.over
