"""`harness selftest` and the ledger: what is tried, what is kept, and what is said."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness import places
from harness.commands import proving, verify
from harness.commands.proving import Asked, prove
from harness.commands.verify import Ran, SelfTestRun
from harness.declare import Declaration
from harness.defects import setting
from harness.errors import UserError
from harness.gate import CLOSED, OPEN, UNDECIDED
from harness.ledger import audit, store
from harness.ledger.store import Ledger
from harness.options import Options, read_due
from harness.plugin.registry import Listed
from harness.proof import Tried
from tests.harness import make
from tests.harness.ledger.conftest import entry
from tests.harness.ledger.test_holding import Tied

DEFECTS = tuple(setting(title=f"defect {number}", X=number) for number in range(4))
KEYS = tuple((make.CHECK, defect.key) for defect in DEFECTS)
PARTS = {"suite": ("suites/test_cors.py",)}
OTHER = "suites/test_other.py::test_it"
LISTED = (
    Listed(check=make.CHECK, declaration=Declaration(control=make.CONTROL, broken_by=DEFECTS)),
    Listed(
        check=OTHER,
        declaration=Declaration(control="middleware.cors.methods", broken_by=DEFECTS[:1], prove_in="testing"),
    ),
)
DECLARED = (
    make.declared(defects=tuple((defect.key, defect.title) for defect in DEFECTS)),
    make.declared(check=OTHER, control="middleware.cors.methods", defects=((DEFECTS[0].key, "defect 0"),)),
)
EVERY = {*KEYS, (OTHER, DEFECTS[0].key)}


def tried(key: tuple[str, str], *, decided: bool = True, **given: Any) -> Tried:
    proof = make.proof(check=key[0], defect_key=key[1], at="2026-12-01T00:00:00.000Z", **given)
    return Tried(proof=proof, seconds=3, clean_seconds=1, decided=decided)


@dataclass
class Stand:
    """A project with a ledger, and a self-test that comes to what it is told."""

    root: Path
    files: dict[str, str] = field(default_factory=lambda: {"suites/test_cors.py": "1"})
    asked: list[frozenset[tuple[str, str]] | None] = field(default_factory=list)
    answers: Callable[[tuple[str, str]], Tried] = tried
    status: int = OPEN
    interrupted: bool = False
    problems: tuple[str, ...] = ()
    meanwhile: Callable[[], None] = lambda: None
    screen: Console = field(default_factory=lambda: Console(file=io.StringIO(), width=300))

    def keep(self, *entries: tuple[str, str], **given: Any) -> None:
        binding = Tied(self.files, PARTS).of("", "")
        kept = {k: entry(check=k[0], defect_key=k[1], binding=binding, **given) for k in entries}
        store.write(self.root, Ledger(entries=kept, files=dict(self.files)))

    def prove(self, *, suites: Path | None = None, **asked: Any) -> int:
        options = asked.pop("options", Options())
        where = suites or places.SUITES
        return prove(options, where, self.screen, Asked(**asked), workers=1, json=None)

    def selftest(self, options: Options, suites: Path, console: Console, **_: Any) -> SelfTestRun:
        due = read_due(options.due) if options.due else None
        self.asked.append(due)
        self.meanwhile()
        wanted = EVERY if due is None else {key for key in due if key[1]}
        found = tuple(self.answers(key) for key in sorted(wanted))
        view = make.view(*DECLARED, problems=self.problems)
        ran = Ran(view=view, interrupted=self.interrupted, sound=True, status=self.status)
        return SelfTestRun(ran=ran, tried=found)

    @property
    def due(self) -> set[tuple[str, str]]:
        """What the self-test was given to try, but for clean twins; it ran once."""
        (asked,) = self.asked
        assert asked is not None
        return {key for key in asked if key[1]}

    @property
    def ledger(self) -> Ledger:
        return store.read(self.root)

    @property
    def said(self) -> str:
        return self.screen.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand(root=tmp_path)
    (tmp_path / "suites").mkdir()
    monkeypatch.setattr(places, "PROJECT", tmp_path)
    monkeypatch.setattr(places, "SUITES", tmp_path / "suites")
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    monkeypatch.setattr(proving, "Bindings", lambda root: Tied(dict(made.files), PARTS))
    monkeypatch.setattr(proving, "listed", lambda suites: LISTED)
    monkeypatch.setattr(verify, "selftest", made.selftest)
    return made


def keys(entries: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    return set(entries)


class TestEverything:
    def test_a_plain_self_test_tries_all_and_keeps_all(self, stand: Stand) -> None:
        assert stand.prove() == OPEN

        assert stand.asked == [None]
        assert keys(stand.ledger.entries) == EVERY
        assert stand.said == "5 proofs written to suites/proofs.lock.\n"

    def test_other_suites_have_no_ledger(self, stand: Stand, tmp_path: Path) -> None:
        assert stand.prove(suites=tmp_path / "mine") == OPEN
        assert not stand.ledger.there
        with pytest.raises(UserError, match="project's own checks"):
            stand.prove(suites=tmp_path / "mine", if_stale=True)

    @pytest.mark.parametrize("how", [{"interrupted": True}, {"problems": ("main.jsonl: cut off",)}])
    def test_one_that_did_not_come_to_its_end_keeps_nothing(self, stand: Stand, how: dict[str, Any]) -> None:
        for name, value in how.items():
            setattr(stand, name, value)

        stand.prove()

        assert not stand.ledger.there
        assert "did not come to its end" in stand.said

    def test_what_changed_while_it_ran_is_not_kept(self, stand: Stand) -> None:
        stand.meanwhile = lambda: stand.files.update({"suites/test_cors.py": "2"})

        stand.prove()

        assert stand.ledger.entries == {}
        assert "5 proofs not kept: what they depend on changed while the self-test ran" in stand.said

    @pytest.mark.parametrize("options", [Options(profiles=("nowhere",)), Options(controls=("nothing.*",))])
    def test_a_mistake_is_told_before_anything_is_tried(self, stand: Stand, options: Options) -> None:
        with pytest.raises(UserError):
            stand.prove(options=options, if_stale=True)
        assert stand.asked == []


class TestIfStale:
    def test_while_all_hold_nothing_is_tried(self, stand: Stand) -> None:
        stand.keep(*EVERY)

        assert stand.prove(if_stale=True) == OPEN

        assert stand.asked == []
        assert stand.said == "5 proofs hold: nothing has changed that the check depends on.\n"

    def test_without_a_ledger_all_are_due(self, stand: Stand) -> None:
        assert stand.prove(if_stale=True) == OPEN

        assert stand.due == EVERY
        assert "0 proofs hold" in stand.said
        assert "5 defects have no proof yet." in stand.said
        assert keys(stand.ledger.entries) == EVERY

    def test_what_is_stale_is_tried_again_and_named(self, stand: Stand) -> None:
        stand.keep(*KEYS)
        stand.files["suites/test_cors.py"] = "2"

        stand.prove(if_stale=True)

        assert stand.due == EVERY
        assert "4 proofs are stale: suites/test_cors.py changed." in stand.said
        assert "1 defect has no proof yet." in stand.said
        assert stand.prove(if_stale=True) == OPEN
        assert len(stand.asked) == 1

    def test_so_is_what_was_missed_or_has_a_twin_that_failed(self, stand: Stand) -> None:
        stand.keep(*EVERY)
        missed, spoilt = KEYS[0], KEYS[1]
        entries = {
            **stand.ledger.entries,
            missed: entry(defect_key=missed[1], outcome="missed", binding={"suite": "1"}),
            spoilt: entry(defect_key=spoilt[1], clean=False, binding={"suite": "1"}),
        }
        store.write(stand.root, Ledger(entries=entries, files=stand.files))

        stand.prove(if_stale=True)

        assert stand.due == {missed, spoilt}
        assert "1 proof tried again: the defect was missed." in stand.said
        assert "1 proof tried again: the clean twin did not pass." in stand.said

    @pytest.mark.parametrize(
        ("options", "due"),
        [
            (Options(controls=("*.origins",)), {*KEYS}),
            (Options(controls=("*.methods",)), {(OTHER, DEFECTS[0].key)}),
            (Options(profiles=("testing",)), {(OTHER, DEFECTS[0].key)}),
        ],
    )
    def test_only_what_was_asked_for_is_due(
        self, stand: Stand, options: Options, due: set[tuple[str, str]]
    ) -> None:
        stand.prove(options=options, if_stale=True)

        assert stand.due == due

    def test_a_line_that_was_edited_is_named_and_only_its_proof_is_tried_again(self, stand: Stand) -> None:
        stand.keep(*EVERY)
        path = stand.root / store.NAME
        path.write_bytes(path.read_bytes().replace(b'"clean":true', b'"clean":false', 1))

        stand.prove(if_stale=True)

        assert len(stand.due) == 1
        assert "suites/proofs.lock, line 2: it was edited" in stand.said
        assert stand.ledger.problems == ()
        assert keys(stand.ledger.entries) == EVERY

    def test_a_proof_of_containers_outlives_a_machine_that_has_none(self, stand: Stand) -> None:
        stand.keep(*EVERY, runtime="containers")
        before = stand.ledger
        stand.answers = lambda key: tried(key, decided=False, outcome="error")
        stand.status = UNDECIDED

        assert stand.prove() == UNDECIDED
        assert stand.ledger == before


class TestAudit:
    def test_a_sample_of_what_holds_is_tried_beside_what_is_stale(self, stand: Stand) -> None:
        stand.keep(*KEYS)

        assert stand.prove(audit=2, seed=7) == OPEN

        assert (OTHER, DEFECTS[0].key) in stand.due
        assert len(stand.due & {*KEYS}) == 2
        assert "Audit: 2 proofs of those that hold tried again (--seed 7)." in stand.said
        assert "Audit: 2 of 2 agree (seed 7)." in stand.said

    def test_what_agrees_leaves_the_ledger_as_it_is(self, stand: Stand) -> None:
        stand.keep(*EVERY)
        before = (stand.root / store.NAME).read_bytes()

        stand.prove(audit=3, seed=7)

        assert (stand.root / store.NAME).read_bytes() == before
        last = audit.last(places.BUILD, stand.root)
        assert (last["finished"], last["seed"], last["agreed"]) == (True, 7, 3)

    def test_one_that_disagrees_voids_the_ledger_until_all_is_tried_again(self, stand: Stand) -> None:
        stand.keep(*EVERY)
        stand.answers = lambda key: tried(key, outcome="missed" if key == wrong else "caught")
        wrong = KEYS[2]

        assert stand.prove(audit=5, seed=7) == CLOSED

        void = stand.ledger.void
        assert void is not None
        assert void.proof == "#".join(wrong)
        assert f"The ledger is void: the ledger disagrees with {'#'.join(wrong)}" in stand.said
        stand.asked.clear()
        stand.answers = lambda key: later(key)
        assert stand.prove(if_stale=True) == OPEN
        assert stand.due == EVERY
        assert stand.ledger.void is None

    def test_what_could_not_be_decided_is_counted_and_voids_nothing(self, stand: Stand) -> None:
        stand.keep(*EVERY)
        before = stand.ledger
        stand.answers = lambda key: tried(key, decided=key != KEYS[0], outcome="caught")
        stand.status = UNDECIDED

        assert stand.prove(audit=5, seed=7) == UNDECIDED

        assert stand.ledger == before
        assert "Audit: 4 of 5 agree (seed 7)." in stand.said
        assert "Audit: 1 could not be decided here." in stand.said

    def test_one_that_is_interrupted_is_remembered_as_unfinished(self, stand: Stand) -> None:
        stand.keep(*EVERY)
        stand.interrupted = True

        stand.prove(audit=5, seed=7)

        assert audit.last(places.BUILD, stand.root)["finished"] is False

    def test_where_nothing_holds_there_is_nothing_to_audit(self, stand: Stand) -> None:
        stand.prove(audit=5, seed=7)

        assert stand.due == EVERY
        assert "Audit: 0 of 0 agree (seed 7)." in stand.said


def later(key: tuple[str, str]) -> Tried:
    """Tried after any disagreement of this test run."""
    proof = make.proof(check=key[0], defect_key=key[1], at="2999-01-01T00:00:00.000Z")
    return Tried(proof=proof, seconds=3, clean_seconds=1, decided=True)
