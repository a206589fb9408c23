"""Which proofs hold, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from harness.ledger.entries import Void
from harness.ledger.holding import stale_line, stale_lines, weigh
from harness.ledger.store import Ledger
from tests.harness import make
from tests.harness.ledger.conftest import entry

KEY = (make.CHECK, make.KEY)


@dataclass
class Tied:
    """Bindings of one check, given as files of parts."""

    files: Mapping[str, str]
    named: Mapping[str, tuple[str, ...]]
    tree: Any = field(init=False)

    def __post_init__(self) -> None:
        self.tree = SimpleNamespace(files=self.files)

    def parts(self, check: str, runtime: str) -> Mapping[str, tuple[str, ...]]:
        return self.named

    def of(self, check: str, runtime: str) -> dict[str, str]:
        return {part: "".join(self.files.get(p, "-") for p in paths) for part, paths in self.named.items()}


PARTS = {"harness": ("h/a.py", "h/b.py"), "server": ("p/a.py",), "suite": ("s.py",)}
BEFORE = {"h/a.py": "1", "h/b.py": "1", "p/a.py": "1", "s.py": "1"}


def why(files: Mapping[str, str], parts: Mapping[str, tuple[str, ...]] = PARTS, **given: Any) -> str:
    """What is said of a proof that was bound to `BEFORE`, with the files as they are now."""
    kept = entry(binding=Tied(BEFORE, PARTS).of("", ""))
    ledger = Ledger(entries={KEY: kept}, files={**BEFORE, **given.pop("further", {})}, **given)
    account = weigh(ledger, Tied(files, parts))  # type: ignore[arg-type]
    assert (KEY in account.held) is (KEY not in account.stale)
    return account.stale.get(KEY, "")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (BEFORE, ""),
        ({**BEFORE, "unrelated": "2"}, ""),
        ({**BEFORE, "s.py": "2"}, "s.py changed"),
        ({**BEFORE, "h/b.py": "2"}, "h/b.py changed"),
        ({**BEFORE, "h/a.py": "2", "h/b.py": "2", "s.py": "2"}, "h/a.py and 1 more changed"),
        ({**BEFORE, "p/a.py": "2", "s.py": "2"}, "p/a.py changed"),
    ],
)
def test_the_file_that_changed_is_named_of_the_widest_part(files: Mapping[str, str], said: str) -> None:
    assert why(files) == said


def test_a_new_file_of_a_part_and_one_that_is_gone_are_named() -> None:
    assert why({**BEFORE, "p/b.py": "1"}, {**PARTS, "server": ("p/a.py", "p/b.py")}) == "p/b.py changed"
    assert why(BEFORE, {**PARTS, "server": ("p/a.py",)}, further={"p/c.py": "1"}) == ""
    left = {path: digest for path, digest in BEFORE.items() if path != "h/b.py"}
    assert why(left, {**PARTS, "harness": ("h/a.py",)}) == "h/b.py changed"


def test_a_suite_that_looks_with_another_probe_is_what_changed() -> None:
    files = {**BEFORE, "s.py": "2", "h/tls.py": "1"}

    assert why(files, {**PARTS, "probes": ("h/tls.py",)}) == "s.py changed"


def test_what_cannot_be_named_is_said_by_its_part() -> None:
    """A later self-test of other checks noted the files as they are now."""
    assert why({**BEFORE, "h/a.py": "2"}, further={"h/a.py": "2"}) == "its harness changed"


def test_a_part_that_is_needed_no_more_makes_it_stale_too() -> None:
    assert why(BEFORE, {"harness": PARTS["harness"], "suite": ("s.py",)}) == "its server changed"


def test_a_suite_that_is_gone_is_named() -> None:
    assert why(BEFORE, {}) == "suites/test_cors.py is gone"


@pytest.mark.parametrize(
    ("at", "holds"), [("2026-11-25T00:00:00.000Z", False), (make.STARTED, False), ("2026", True)]
)
def test_what_is_older_than_a_disagreement_holds_no_more(at: str, holds: bool) -> None:
    void = Void(proof="suites/test_x.py::test#ab", why="it was missed", seed=7, at=at)

    assert why(BEFORE, void=void) == ("" if holds else "the ledger disagrees with suites/test_x.py::test#ab")


def test_causes_are_counted_and_the_commonest_stands_first() -> None:
    causes = ["a changed", "b changed", "b changed"]

    assert [*stale_lines(causes)] == ["2 proofs are stale: b changed", "1 proof is stale: a changed"]
    assert stale_line(causes) == "2 proofs are stale: b changed; 1 proof is stale: a changed"
    assert stale_line([*"abcde"]).endswith("1 proof is stale: c; 2 more causes")
