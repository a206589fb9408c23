"""What a run is told of the ledger of a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ledger.binding import Bindings
from harness.ledger.entries import Void
from harness.ledger.loading import Proofs, durations, load
from harness.ledger.store import NAME, Ledger, write
from harness.records import Stale
from tests.harness.ledger.conftest import changed, entry

ORIGINS = "suites/middleware/test_cors_origins.py"
CORS, TLS = f"{ORIGINS}::test", "suites/middleware/test_security_tls.py::test"


@pytest.fixture
def project(copy: Path) -> Iterator[Path]:
    """A project with a ledger of two proofs."""
    bindings = Bindings(copy)
    entries = {
        (check, "a"): entry(check=check, defect_key="a", binding=bindings.of(check, "process"))
        for check in (CORS, TLS)
    }
    write(copy, Ledger(entries=entries, files=bindings.tree.files))
    yield copy
    (copy / NAME).unlink()


def test_proofs_that_hold_are_carried_and_need_no_word(project: Path) -> None:
    kept = load(project)

    assert {proof.check for proof in kept.proofs} == {CORS, TLS}
    assert (kept.stale, kept.note, kept.disagreement) == ((), "", "")


def test_a_stale_one_is_named_with_its_cause(project: Path) -> None:
    with changed(project / ORIGINS):
        kept = load(project)

    assert [proof.check for proof in kept.proofs] == [TLS]
    assert [check for checks in kept.checks.values() for check in checks] == [CORS, TLS]
    assert kept.stale == (Stale(check=CORS, defect_key="a", why=f"{ORIGINS} changed"),)
    assert kept.note == f"1 proof is stale: {ORIGINS} changed; run `harness selftest --if-stale`"


def test_without_a_ledger_there_are_none(copy: Path) -> None:
    assert load(copy) == Proofs(note="no proofs: run `make selftest`")
    assert durations(copy) == {}


def test_an_edited_line_voids_all_until_it_is_put_right(project: Path) -> None:
    path = project / NAME
    path.write_bytes(path.read_bytes().replace(b'"clean":true', b'"clean":false', 1))

    kept = load(project)

    assert (kept.proofs, kept.stale) == ((), ())
    assert kept.note == (
        f"no proof counts: {NAME}, line 2: it was edited: its digest does not match; "
        "run `harness selftest --if-stale`"
    )


def test_a_disagreement_is_told(project: Path) -> None:
    void = Void(proof=f"{TLS}#a", why="it was missed", seed=7, at="2030-01-01T00:00:00.000Z")
    entries = {(CORS, "a"): entry(check=CORS, defect_key="a")}
    write(project, Ledger(entries=entries, void=void))

    kept = load(project)

    assert kept.proofs == ()
    assert kept.disagreement == f"the ledger disagrees with {TLS}#a: it was missed (seed 7)"
    assert kept.note.startswith(f"1 proof is stale: the ledger disagrees with {TLS}#a")


def test_how_long_each_trial_took_is_known_also_of_stale_ones(project: Path) -> None:
    with changed(project / ORIGINS):
        assert durations(project) == {(CORS, "a"): 1.5, (CORS, ""): 0.5, (TLS, "a"): 1.5, (TLS, ""): 0.5}
