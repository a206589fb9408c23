"""`harness load` as a user meets it: at what stands, at a deployment of its own, and on mistakes."""

from __future__ import annotations

import gc
import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness import places, standing, watchdog
from harness.commands import keeping
from harness.commands import load as command
from harness.disturbance import Moment
from harness.errors import HarnessError, UserError
from harness.load.records import LoadResult
from harness.options import Options
from harness.policy import load_policy
from harness.workspace import DIRECTORY_VARIABLE
from tests.harness.load.slices import BUSY, CALM, measured

TESTING = Options(profiles=("testing",))
STEPS = load_policy("testing").service_levels.steps
FEW = {"rate": 20.0, "for_s": 1.0}


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside of any run, where nothing stands."""
    monkeypatch.delenv(watchdog.RUN_VARIABLE, raising=False)
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setattr(standing, "KEPT", tmp_path / "up")


def text(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_it_uses_what_is_up_and_leaves_it_up(screen: Console) -> None:
    process = replace(TESTING, runtime="process")
    keeping.up(process, screen)
    with warnings.catch_warnings():  # Python warns of a child that is meant to go on
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    try:
        status = command.load("steady", TESTING, screen, **FEW)
        assert status == 2
        said = text(screen)
        assert "At the testing that `harness up` brought up." in said
        assert "20 of 20 planned requests begun" in said
        assert "20 answered, 0 wrong" in said
        assert "No verdict: not decided after" in said
        assert standing.reach("testing").key not in said.partition("Remove it with")[2]
        assert len(standing.standing()) == 1
    finally:
        keeping.down(None, screen, dry_run=False)
    with pytest.raises(UserError, match="no deployment of testing is up"):
        standing.reach("testing")


def test_where_nothing_stands_it_brings_one_up_and_removes_it(screen: Console, tmp_path: Path) -> None:
    status = command.load("scale_out", replace(TESTING, runtime="process"), screen, **FEW)

    assert status == 0
    assert "No service level is promised of this shape." in text(screen)
    assert standing.standing() == {}


def test_a_mistake_leaves_nothing_behind(screen: Console, tmp_path: Path) -> None:
    idle = tmp_path / "idle.py"
    idle.write_text("from harness.load.generator import OpenUser\nclass Idle(OpenUser):\n    pass\n")

    with pytest.raises(UserError, match="Idle has no task"):
        command.load(str(idle), replace(TESTING, runtime="process"), screen, **FEW)
    with pytest.raises(UserError, match='no scenario "stedy"'):
        command.load("stedy", TESTING, screen, **FEW)
    with pytest.raises(UserError, match="--rate 0"):
        command.load("steady", replace(TESTING, runtime="process"), screen, rate=0.0, for_s=1.0)


def test_a_target_that_is_not_up_is_named(
    screen: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_API_KEY", "an-administrators-key")
    contract = tmp_path / "contract.toml"
    contract.write_text('name = "elsewhere"\n')

    elsewhere = replace(TESTING, target="http://127.0.0.1:9", contract=contract, intrusive=True)
    with pytest.raises(HarnessError, match=r"http://127\.0\.0\.1:9 does not answer"):
        command.load("steady", elsewhere, screen, **FEW)


def _ran(slices: int = 60, took: float = 1.0, moment: Moment = CALM, **given: Any) -> LoadResult:
    failed = given.pop("failed", 0)
    latencies = {name: [took] * 10 for name in STEPS}
    return replace(measured(slices, latencies, failed=failed, moment=moment), **given)


@pytest.mark.parametrize(
    ("run", "status", "told"),
    [
        (_ran(), 0, "Within the service levels of testing."),
        (_ran(took=400.0), 1, "Outside of the service levels of testing: start: p95 is 400."),
        (_ran(failed=1), 1, "requests failed, 0.10% are allowed"),
        (_ran(took=400.0, moment=BUSY), 2, "No verdict: not decided after 30 s; 60 of 60 slices"),
        (_ran(slices=4), 2, "No verdict: not decided after 2 s; too few requests"),
        (_ran(planned=9999), 2, "No verdict: the generator was too slow"),
        (_ran(judged=False, took=400.0), 0, "No service level is promised"),
    ],
)
def test_the_exit_status_is_the_verdict(screen: Console, run: LoadResult, status: int, told: str) -> None:
    levels = load_policy("testing").service_levels

    assert command._decide(run, levels, "testing", screen) == status
    assert told in text(screen)


def test_what_was_up_before_gets_no_load_without_leave(screen: Console) -> None:
    contract = places.PROJECT / "tests/targets/plain/contract.toml"
    options = replace(TESTING, target="http://127.0.0.1:9", contract=contract)

    with pytest.raises(UserError, match="load makes keys and records there") as refused:
        command.load("steady", options, screen, **FEW)

    assert "--intrusive" in refused.value.remedy
