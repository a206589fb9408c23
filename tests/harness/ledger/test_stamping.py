"""What a self-test showed is bound to the files as they were before it and still are."""

from __future__ import annotations

from typing import Any

import pytest

from harness.ledger.entries import Void
from harness.ledger.stamping import Stamped, stamp
from harness.ledger.store import Ledger
from harness.proof import Tried
from tests.harness import make
from tests.harness.ledger.conftest import entry
from tests.harness.ledger.test_holding import Tied

KEY = (make.CHECK, make.KEY)
OTHER = (make.CHECK, "other")
PARTS = {"suite": ("s.py", "t.py")}
FILES = {"s.py": "1", "t.py": "1"}
NOW = Tied(FILES, PARTS)
LATER = "2026-12-01T00:00:00.000Z"
VOID = Void(proof="x#y", why="it was missed", seed=7, at="2026-11-30T00:00:00.000Z")


def tried(*, decided: bool = True, **given: Any) -> Tried:
    return Tried(proof=make.proof(**given), seconds=2.0, clean_seconds=0.5, decided=decided)


def stamped(ledger: Ledger, *what: Tried, before: Tied = NOW, after: Tied = NOW, **given: Any) -> Stamped:
    return stamp(ledger, what, before=before, after=after, declared={KEY, OTHER}, **given)  # type: ignore[arg-type]


def test_a_proof_is_bound_and_timed() -> None:
    result = stamped(Ledger(), tried())

    assert result.written == (KEY,)
    assert result.ledger == Ledger(
        entries={KEY: entry(seconds=2.0, clean_seconds=0.5, binding=NOW.of("", ""))}, files=FILES
    )


def test_what_changed_meanwhile_is_not_stamped() -> None:
    result = stamped(Ledger(), tried(), after=Tied({**FILES, "t.py": "2"}, PARTS))

    assert (result.written, result.moving) == ((), (KEY,))
    assert result.ledger.entries == {}


def test_a_check_of_no_known_module_is_not_stamped() -> None:
    assert stamped(Ledger(), tried(), before=Tied({}, {})).ledger.entries == {}


def test_what_was_not_decided_leaves_an_earlier_proof_as_it_is() -> None:
    kept = Ledger(entries={KEY: entry(runtime="containers", binding=NOW.of("", ""))}, files=FILES)

    result = stamped(kept, tried(decided=False, outcome="error"))

    assert (result.ledger, result.written) == (kept, ())


def test_what_was_missed_takes_the_place_of_an_earlier_proof() -> None:
    kept = Ledger(entries={KEY: entry(binding=NOW.of("", ""))}, files=FILES)

    assert stamped(kept, tried(outcome="missed")).ledger.entries[KEY].proof.outcome == "missed"


def test_the_others_stay_and_those_of_undeclared_defects_go() -> None:
    gone = ("suites/test_gone.py::test", "key")
    kept = Ledger(entries={OTHER: entry(defect_key="other"), gone: entry(check=gone[0], defect_key="key")})

    assert stamped(kept, tried()).ledger.entries.keys() == {KEY, OTHER}


def test_the_digests_that_tell_why_a_proof_is_stale_stay() -> None:
    old = {"s.py": "0", "t.py": "1"}
    stale = Ledger(entries={OTHER: entry(defect_key="other", binding=Tied(old, PARTS).of("", ""))}, files=old)

    part = stamped(stale, tried())
    assert part.ledger.files == old
    assert stamped(part.ledger, tried(defect_key="other")).ledger.files == FILES


class TestVoid:
    KEPT = Ledger(entries={KEY: entry(), OTHER: entry(defect_key="other")})

    def test_a_disagreement_voids_all_that_is_older(self) -> None:
        result = stamped(self.KEPT, tried(outcome="missed"), void=VOID)

        assert result.ledger.void == VOID

    def test_it_stays_until_every_older_proof_was_made_anew(self) -> None:
        void = Ledger(entries=self.KEPT.entries, void=VOID)

        part = stamped(void, tried(at=LATER)).ledger
        assert part.void == VOID
        assert stamped(part, tried(defect_key="other", at=LATER)).ledger.void is None

    def test_what_could_not_be_decided_keeps_it(self) -> None:
        void = Ledger(entries=self.KEPT.entries, void=VOID)
        undecided = tried(defect_key="other", at=LATER, decided=False)

        assert stamped(void, tried(at=LATER), undecided).ledger.void == VOID


@pytest.mark.parametrize("runtime", ["process", "containers"])
def test_the_runtime_says_which_parts_count(runtime: str) -> None:
    class Asked(Tied):
        def of(self, check: str, runtime: str) -> dict[str, str]:
            return {runtime: "digest"}

    bindings = Asked(FILES, PARTS)

    kept = stamped(Ledger(), tried(runtime=runtime), before=bindings, after=bindings).ledger.entries[KEY]
    assert kept.binding == {runtime: "digest"}
