"""The ledger: what it tells after any end of its writer, and what it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest

from harness import chain
from harness.errors import ReleaseError, RuntimeUnavailable
from harness.releases import ledger as ledgers
from harness.releases.entries import Begun, Ended, Entry, Known, State, Step, Stepped
from harness.releases.ledger import Ledger, read_state
from harness.releases.stage import Colour, Release
from tests.harness.releases.stages import NEW, OLD, release


def entries(*, unfinished: bool = False) -> list[Entry]:
    begun = Begun(operation="release", version=NEW.version, before=None, colour=Colour.BLUE, at=1.0)
    stepped = Stepped(step=Step.EXPAND, mark="begun", at=2.0)
    ended: list[Entry] = [] if unfinished else [Ended(result="taken", at=3.0)]
    return [Known(release=NEW, at=0.5), begun, stepped, *ended]


def write(path: Path, *added: Entry) -> None:
    with Ledger.hold(path) as ledger:
        for entry in added:
            ledger.add(entry)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_what_was_entered_is_read_back_the_same(path: Path) -> None:
    write(path, *entries())

    state = read_state(path)

    assert state.releases == {NEW.version: NEW}
    assert (state.serving, state.taken, state.expanded) == (NEW.version, (NEW.version,), (NEW.schema,))
    assert state.unfinished is None


def test_there_is_nothing_before_the_first_entry(path: Path) -> None:
    assert read_state(path) == State()
    with Ledger.hold(path) as ledger:
        assert ledger.state == State()


@pytest.mark.parametrize("left", [1, 30])
def test_an_entry_that_was_cut_off_was_never_made_and_the_next_takes_its_place(path: Path, left: int) -> None:
    write(path, *entries(unfinished=True))
    whole = path.read_bytes()
    write(path, Stepped(step=Step.EXPAND, mark="done", at=3.0))
    path.write_bytes(path.read_bytes()[: len(whole) + left])

    unfinished = read_state(path).unfinished
    assert unfinished is not None
    assert not unfinished.done(Step.EXPAND)
    write(path, Ended(result="failed", why="it was killed", at=4.0))

    assert read_state(path).unfinished is None
    assert path.read_bytes().startswith(whole)


def test_an_entry_that_was_edited_is_named(path: Path) -> None:
    write(path, *entries())
    path.write_bytes(path.read_bytes().replace(b'"schema":"0002"', b'"schema":"0009"'))

    with pytest.raises(ReleaseError, match="line 1 was edited"):
        read_state(path)
    with pytest.raises(ReleaseError, match="line 1 was edited"), Ledger.hold(path):
        pass


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        ("vetoed", {}, 'entry 0 is of no known kind: "vetoed"'),
        ("ended", {"result": "perhaps", "at": 1.0}, "result: should be"),
        ("known", {"release": {"version": "1"}, "at": 1.0}, "release.image: missing"),
    ],
)
def test_an_entry_of_another_program_is_named(
    path: Path, kind: str, payload: dict[str, object], message: str
) -> None:
    path.write_bytes(chain.encode(chain.ORIGIN, 0, kind, payload)[0])

    with pytest.raises(ReleaseError, match=message):
        read_state(path)


def test_two_drivers_do_not_hold_one_ledger(path: Path) -> None:
    with (
        Ledger.hold(path),
        pytest.raises(ReleaseError, match="another release or rollback is under way"),
        Ledger.hold(path),
    ):
        pass
    with Ledger.hold(path):
        pass


def test_a_ledger_that_cannot_be_read_or_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="Is a directory"):
        read_state(tmp_path)
    with pytest.raises(RuntimeUnavailable, match="Is a directory"), Ledger.hold(tmp_path):
        pass


def test_a_full_disk_leaves_the_ledger_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, *entries(unfinished=True))
    before = path.read_bytes()

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 40:
            raise OSError(28, os.strerror(28))
        return os.pwrite(descriptor, bytes(data[:20]), os.fstat(descriptor).st_size)

    with Ledger.hold(path) as ledger:
        state = ledger.state
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(RuntimeUnavailable, match="No space left on device"):
            ledger.add(Ended(result="taken", at=9.0))
        assert ledger.state == state
    assert path.read_bytes() == before


def test_every_entry_is_on_disk_before_the_driver_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: forced.append(path.read_bytes()))

    write(path, Known(release=OLD, at=1.0))

    assert orjson.loads(forced[-1])["payload"]["release"]["version"] == OLD.version
    assert len(forced) == 2, "its name in the directory, and the entry"
    assert ledgers.now() > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"version": "../etc"}, "is no version"),
        ({"version": ""}, "is no version"),
        ({"image": "panotti:current"}, "is no image digest"),
        ({"image": "sha256:0a1b2c"}, "is no image digest"),
    ],
)
def test_a_release_is_named_by_a_digest_and_never_by_a_tag(given: dict[str, str], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        Release(**{"version": "1", "image": OLD.image, "configuration": "", "schema": "0001", **given})


def test_a_configuration_makes_another_release(path: Path) -> None:
    other = release(configuration='log_level = "debug"\n')

    assert other.configuration_sha256 != OLD.configuration_sha256
    assert other.told.startswith("1.0.0 (")
