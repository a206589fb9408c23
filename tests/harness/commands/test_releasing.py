"""`harness release` and `harness rollback` as a user meets them, on a stage in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.testing import CliRunner

from harness import cli, standing
from harness.commands import releasing
from harness.contract import Contract
from harness.errors import ReleaseError, UserError
from harness.load.order import Reach
from harness.options import Options
from harness.releases.ledger import Ledger, read_state
from harness.releases.stage import Colour, Traffic
from harness.secretly import write_secretly
from tests.harness.releases.stages import IMAGE, NEW, OLD, Killed, MemoryStage

PRODUCTION = Options(profiles=("production",))
RUN = "20261125T010203-abcdef"
REACH = Reach(base_url="https://127.0.0.1:1", host="panotti.test", key="k", auth_header="X-API-Key", paths={})
Command = Callable[..., int]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryStage:
    """A production that `harness up` left, whose stage is in memory."""
    found = MemoryStage.serving_old()
    monkeypatch.setattr(standing, "KEPT", tmp_path / "up")
    standing.KEPT.mkdir()
    told = {
        "profile": "production",
        "runtime": "containers",
        "url": REACH.base_url,
        "directory": str(tmp_path),
    }
    (standing.KEPT / f"{RUN}.json").write_bytes(orjson.dumps(told))
    write_secretly(REACH, tmp_path / "reach.json")

    @contextmanager
    def attached(run_id: str, contract: Contract, reach: Reach) -> Iterator[MemoryStage]:
        assert (run_id, reach) == (RUN, REACH)
        yield found

    monkeypatch.setattr(releasing, "attached", attached)
    return found


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def put(screen: Console) -> Command:
    def run(version: str | None = "1.1.0", **given: Any) -> int:
        usual = {"image": IMAGE, "configuration": None, "contract": False, "dry_run": False}
        return releasing.release(version, PRODUCTION, screen, **{**usual, **given})

    return run


@pytest.fixture
def back(screen: Console) -> Command:
    def run(version: str | None = None, *, dry_run: bool = False) -> int:
        return releasing.rollback(version, PRODUCTION, screen, dry_run=dry_run)

    return run


def text(console: Console) -> str:
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_release_is_told_step_by_step(stage: MemoryStage, put: Command, screen: Console) -> None:
    assert put() == 0

    said = text(screen)
    assert [line.split(":")[0].strip() for line in said.splitlines()[:5]] == [
        *("expand", "start", "verify", "switch", "watch"),
    ]
    assert "1.1.0 serves, after" in said
    assert "1.0.0 is kept warm. Return to it with: harness rollback 1.0.0" in said
    assert stage.active is Colour.GREEN
    assert 'cors_origins = ["https://app.panotti.test"' in stage.at[Colour.GREEN].configuration


def test_a_bad_release_is_status_1_and_says_what_serves(
    stage: MemoryStage, put: Command, screen: Console
) -> None:
    stage.answers = {"1.1.0": Traffic(requests=60, errors=30, latency_ms=1.0)}

    assert put() == 1

    assert "1.1.0 was not taken: 30 of 60 requests failed (50.0%), 1.0% are allowed" in text(screen)
    assert "1.0.0 serves, 0.0 s after clients first met 1.1.0." in text(screen)


def test_a_rollback_returns_to_the_one_before(stage: MemoryStage, put: Command, back: Command) -> None:
    put()

    assert back() == 0
    assert stage.active is Colour.BLUE


def test_a_release_may_contract_the_schema_afterwards(
    stage: MemoryStage, put: Command, screen: Console
) -> None:
    assert put(contract=True) == 0

    assert stage.schema == [("expand", "0002"), ("contract", "0002")]
    assert "The schema has nothing left that 1.1.0 does not know" in text(screen)


def test_a_release_that_was_not_taken_contracts_nothing(stage: MemoryStage, put: Command) -> None:
    stage.refuses = {"verify": lambda _: True}

    assert put(contract=True) == 1
    assert stage.schema == [("expand", "0002")]


@pytest.mark.parametrize("verb", ["release", "rollback"])
def test_a_dry_run_says_the_steps_and_does_nothing(
    stage: MemoryStage, put: Command, back: Command, screen: Console, verb: str
) -> None:
    if verb == "rollback":
        put()
    before, calls = read_state(standing.ledger(RUN)), [*stage.calls]

    assert (put(dry_run=True, contract=True) if verb == "release" else back(dry_run=True)) == 0

    said = text(screen)
    assert "in place of 1." in said
    assert "requests under way end where they are" in said
    assert "1 s at least; 1.0% may fail" in said
    assert said.count("none of them can serve again") == (1 if verb == "release" else 0)
    assert "Nothing was done." in said
    assert (read_state(standing.ledger(RUN)), stage.calls) == (before, calls)


def test_a_dry_run_refuses_what_could_not_be_done(stage: MemoryStage, put: Command, back: Command) -> None:
    with pytest.raises(ReleaseError, match=r"1\.0\.0 is used already"):
        put("1.0.0", dry_run=True)
    with pytest.raises(ReleaseError, match=r"no release served before 1\.0\.0"):
        back(dry_run=True)


def test_what_was_interrupted_is_ended_before_anything_else(
    stage: MemoryStage, put: Command, screen: Console
) -> None:
    stage.killed_at = 3
    with pytest.raises(Killed):
        put()
    with pytest.raises(ReleaseError, match=r"the release of 1\.1\.0 is unfinished"):
        put("1.2.0", dry_run=True)

    assert put("1.2.0") == 0

    assert "The release of 1.1.0 was left at: switch." in text(screen)
    assert read_state(standing.ledger(RUN)).taken == ("1.0.0", "1.1.0", "1.2.0")


def test_resuming_alone_ends_what_is_left_or_says_that_nothing_is(
    stage: MemoryStage, put: Command, screen: Console
) -> None:
    assert put(None) == 0
    assert "Nothing was left unfinished." in text(screen)
    stage.answers = {"1.1.0": Traffic(requests=60, errors=30)}
    stage.killed_at = 4
    with pytest.raises(Killed):
        put()

    assert put(None) == 1
    assert stage.active is Colour.BLUE


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "panotti:gone"}, "there is no image panotti:gone"),
        ({"configuration": Path("nowhere.toml")}, "nowhere.toml"),
        ({"version": "not a version"}, "is no version"),
    ],
)
def test_mistakes_are_told_before_anything_is_done(
    stage: MemoryStage, put: Command, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ReleaseError, match=message):
        put(**given)
    assert stage.calls == []


def test_two_at_once_are_refused(stage: MemoryStage, put: Command) -> None:
    with (
        Ledger.hold(standing.ledger(RUN)),
        pytest.raises(ReleaseError, match="another release or rollback is under way"),
    ):
        put()


def test_nothing_is_released_where_nothing_is_up(
    put: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(standing, "KEPT", tmp_path)

    with pytest.raises(UserError, match="no deployment of production is up"):
        put()


def test_a_run_takes_its_ledger_along(stage: MemoryStage, put: Command) -> None:
    put()
    assert standing.ledger(RUN).is_file()

    standing.forget(RUN)

    assert not standing.ledger(RUN).exists()
    assert standing.standing() == {}


@pytest.mark.parametrize("words", [["release"], ["release", "1.1.0", "--resume"]])
def test_a_version_is_needed_unless_something_is_resumed(words: list[str]) -> None:
    found = CliRunner().invoke(cli.app, words)

    assert isinstance(found.exception, UserError)
    assert "harness release --resume" in found.exception.remedy


@pytest.mark.parametrize("verb", ["release", "rollback"])
def test_help_teaches_by_example(verb: str) -> None:
    said = CliRunner().invoke(cli.app, [verb, "--help"]).output

    assert "Examples:" in said
    assert f"harness {verb}" in said
    assert "--dry-run" in said


def test_the_program_reaches_the_verbs(stage: MemoryStage) -> None:
    ran = CliRunner().invoke(cli.app, ["release", "1.1.0", "--image", IMAGE, "--dry-run"])

    assert ran.exit_code == 0, ran.output
    assert NEW.image[7:19] in ran.output
    assert OLD.version in ran.output
