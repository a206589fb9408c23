"""A random sample of the proofs that hold, tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.ledger import audit
from harness.ledger.audit import Audit
from harness.ledger.store import Ledger, write
from harness.proof import Tried
from tests.harness import make
from tests.harness.ledger.conftest import entry

HELD = {(make.CHECK, f"{number:012}"): entry(defect_key=f"{number:012}") for number in range(50)}
SAMPLE = (("c", "1"), ("c", "2"), ("c", "3"))


def tried(key: str, *, decided: bool = True, **given: Any) -> Tried:
    proof = make.proof(check="c", defect_key=key, **given)
    return Tried(proof=proof, seconds=1, clean_seconds=1, decided=decided)


class TestDraw:
    def test_the_same_seed_chooses_the_same(self) -> None:
        one, other = audit.draw(HELD, 20, 7), audit.draw(dict(reversed(HELD.items())), 20, 7)

        assert one == other
        assert one.seed == 7
        assert len(set(one.sample)) == 20
        assert set(one.sample) < HELD.keys()

    def test_another_one_chooses_others(self) -> None:
        assert audit.draw(HELD, 20, 7).sample != audit.draw(HELD, 20, 8).sample

    def test_without_one_it_is_drawn_and_can_be_given_again(self) -> None:
        first = audit.draw(HELD, 20, None)

        assert audit.draw(HELD, 20, first.seed) == first

    def test_no_more_than_there_are_and_only_good_ones(self) -> None:
        missed = {("c", "m"): entry(check="c", defect_key="m", outcome="missed")}
        spoilt = {("c", "s"): entry(check="c", defect_key="s", clean=False)}

        assert {*audit.draw({**HELD, **missed, **spoilt}, 99, 1).sample} == HELD.keys()
        assert audit.draw({}, 20, 1).sample == ()


class TestCompare:
    def test_what_was_caught_again_agrees(self) -> None:
        found = audit.compare(Audit(seed=7, sample=SAMPLE), [tried("1"), tried("2"), tried("3"), tried("4")])

        assert found == Audit(seed=7, sample=SAMPLE, agreed=SAMPLE)

    def test_what_could_not_be_decided_contradicts_nothing(self) -> None:
        undecided = [tried("1"), tried("2", decided=False, outcome="error")]

        found = audit.compare(Audit(seed=7, sample=SAMPLE), undecided)

        assert (found.agreed, found.undecided) == (SAMPLE[:1], SAMPLE[1:])
        assert found.disagreement is None

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"outcome": "missed"}, "the defect any origin was missed when it was tried again"),
            (
                {"clean": False},
                "the defect any origin was caught, but its clean twin failed when it was tried again",
            ),
        ],
    )
    def test_what_comes_out_differently_disagrees(self, given: dict[str, Any], said: str) -> None:
        found = audit.compare(Audit(seed=7, sample=SAMPLE), [tried("1"), tried("2", **given), tried("3")])

        assert found.agreed == (SAMPLE[0], SAMPLE[2])
        assert found.disagreement is not None
        assert (found.disagreement.proof, found.disagreement.why) == ("c#2", said)
        assert found.disagreement.seed == 7
        assert found.disagreement.at > make.STARTED


class TestState:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "suites").mkdir()
        write(tmp_path, Ledger(entries=HELD))
        return tmp_path

    def test_without_an_audit_nothing_is_known(self, root: Path) -> None:
        assert audit.last(root / "build", root) == {}

    def test_one_that_did_not_come_to_its_end_says_so_whatever_became_of_the_ledger(self, root: Path) -> None:
        audit.begin(root / "build", Audit(seed=7, sample=SAMPLE))
        write(root, Ledger())

        last = audit.last(root / "build", root)
        assert (last["finished"], last["seed"], last["sample"]) == (False, 7, 3)

    def test_one_that_did_is_told_with_what_it_showed(self, root: Path) -> None:
        audit.begin(root / "build", Audit(seed=7, sample=SAMPLE))
        done = Audit(seed=7, sample=SAMPLE, agreed=SAMPLE[:2], undecided=SAMPLE[2:])
        audit.finish(root / "build", done, root)

        last = audit.last(root / "build", root)
        assert last.pop("at")
        assert last == {"finished": True, "seed": 7, "sample": 3, "agreed": 2, "undecided": ["c#3"]}

    def test_of_another_ledger_it_tells_nothing(self, root: Path) -> None:
        audit.finish(root / "build", Audit(seed=7, sample=SAMPLE, agreed=SAMPLE), root)
        write(root, Ledger())

        assert audit.last(root / "build", root) == {}

    @pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"finished":true}'])
    def test_a_broken_file_tells_nothing(self, root: Path, content: bytes) -> None:
        (root / "build" / "selftest").mkdir(parents=True)
        (root / "build" / audit.STATE).write_bytes(content)

        assert audit.last(root / "build", root) == {}
