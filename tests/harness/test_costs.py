"""What checks cost: seen in findings, kept beside the suites, read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import costs
from harness.costs import Cost, Costs, class_of
from harness.errors import UserError
from harness.records import Timing
from tests.harness import make


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (Timing(wall_s=2.0), "quick"),
        (Timing(wall_s=9.0, demanded_s=6.0), "waiting"),
        (Timing(wall_s=9.0, demanded_s=3.0), "quick"),
        (Timing(wall_s=9.0, demanded_s=3.0, deployment_s=5.0), "waiting"),
        (Timing(wall_s=0.5, demanded_s=0.4), "quick"),
        (Timing(wall_s=9.0, demanded_s=6.0, uses=("measuring",)), "measuring"),
        (Timing(wall_s=9.0, uses=("measuring", "rollout")), "rollout"),
    ],
)
def test_a_class_is_what_a_trial_showed(timing: Timing, expected: str) -> None:
    assert class_of(timing) == expected


def test_a_check_costs_the_most_that_it_was_seen_to() -> None:
    quick = make.finding(timing=Timing(wall_s=1.0))
    waiting = make.finding(timing=Timing(wall_s=6.0, demanded_s=5.0), profile="staging")
    planted = make.finding(timing=Timing(wall_s=90.0), defect="any origin", defect_key=make.KEY)

    (cost,) = costs.observed([quick, waiting, planted])

    assert cost == Cost(check=make.CHECK, cost="waiting", seconds={"production": 1.0, "staging": 6.0})


def test_what_nothing_has_observed_is_taken_for_quick() -> None:
    known = Costs([Cost(check=make.CHECK, cost="rollout", seconds={"production": 30.0})])

    assert (known.class_of(f"{make.CHECK}[production]"), known.class_of("x::y")) == ("rollout", "quick")
    assert known.seconds(f"{make.CHECK}[staging]", "staging") == 30.0
    assert known.seconds("x::y", "staging") > 0


def test_what_was_kept_is_read_again_beside_what_is_new(tmp_path: Path) -> None:
    old = Cost(check="suites/a.py::test_old", cost="quick", seconds={"testing": 1.0})
    gone = Cost(check="suites/a.py::test_gone", cost="quick", seconds={})
    costs.keep(tmp_path, [old, gone])
    existing = (old.check, make.CHECK)

    costs.keep(tmp_path, costs.load(tmp_path).updated([make.finding()], {}, existing))

    kept = costs.load(tmp_path)
    assert kept.seconds(old.check, "testing") == 1.0
    assert kept.seconds(make.CHECK, "production") == 0.5
    assert "test_gone" not in (tmp_path / costs.FILE).read_text()


@pytest.mark.parametrize("content", ["{", '{"check": "x"}', '{"check": "x", "cost": "dear", "seconds": {}}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / costs.FILE).write_text(content)

    with pytest.raises(UserError, match=costs.FILE):
        costs.load(tmp_path)


def test_without_a_file_nothing_is_known(tmp_path: Path) -> None:
    assert costs.load(tmp_path).class_of(make.CHECK) == "quick"


def test_what_a_depth_left_out_is_known_by_its_class() -> None:
    earlier = Costs([Cost(check="x::old", cost="measuring", seconds={"production": 60.0})])

    found = earlier.updated([], {"x::old": "measuring", "x::new": "rollout"}, ["x::old", "x::new"])

    assert [(one.check, one.cost, dict(one.seconds)) for one in found] == [
        ("x::new", "rollout", {}),
        ("x::old", "measuring", {"production": 60.0}),
    ]
