"""Proofs: made of a self-test's findings, kept for later runs, dropped once something has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import proof
from harness.records import Finding
from harness.verdict import Verdict
from tests.harness import make

CLEAN = make.finding(check=f"{make.CHECK}[production-clean]")


def planted(verdict: Verdict = Verdict.FAIL, message: str = "", case: str = "any") -> Finding:
    return make.finding(
        verdict,
        message,
        check=f"{make.CHECK}[production-{case}]",
        defect="any origin",
        defect_key=make.KEY,
        runtime="containers",
    )


def proofs(*findings: Finding) -> list[tuple[str, str, bool]]:
    made = proof.proofs_of(make.view(make.declared(), *findings))
    return [(each.outcome, each.message, each.clean) for each in made]


class TestMade:
    def test_a_defect_that_fails_the_check_is_caught(self) -> None:
        (made,) = proof.proofs_of(
            make.view(make.declared(), CLEAN, planted(Verdict.FAIL, "it was granted"), head=make.run())
        )

        assert made == make.proof(message="it was granted", runtime="containers")

    @pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.NOT_APPLICABLE])
    def test_one_that_it_does_not_see_is_missed(self, verdict: Verdict) -> None:
        assert proofs(CLEAN, planted(verdict)) == [("missed", f"the check came to {verdict.value}", True)]

    @pytest.mark.parametrize("verdict", [Verdict.ERROR, Verdict.NOT_VERIFIED])
    def test_one_that_breaks_the_check_is_an_error_and_no_catch(self, verdict: Verdict) -> None:
        assert proofs(CLEAN, planted(verdict, "odd")) == [("error", f"{verdict.value}: odd", True)]

    @pytest.mark.parametrize(
        ("verdict", "outcome"),
        [
            (Verdict.NOT_VERIFIED, "caught"),
            (Verdict.PASS, "missed"),
            (Verdict.FAIL, "missed"),
            (Verdict.ERROR, "error"),
        ],
    )
    def test_one_that_takes_the_checks_sight_away_must_leave_it_undecided(
        self, verdict: Verdict, outcome: str
    ) -> None:
        view = make.view(make.declared(blinding=(make.KEY,)), CLEAN, planted(verdict, "no data"))

        (made,) = proof.proofs_of(view)
        assert (made.outcome, made.clean) == (outcome, True)

    def test_one_case_that_fails_is_enough_but_none_may_be_an_error(self) -> None:
        passed, failed = planted(Verdict.PASS, case="a"), planted(Verdict.FAIL, "seen", case="b")

        assert proofs(CLEAN, passed, failed) == [("caught", "seen", True)]
        assert proofs(CLEAN, failed, planted(Verdict.ERROR, case="c"))[0][0] == "error"

    def test_a_twin_that_fails_too_spoils_it(self) -> None:
        spoilt = make.finding(Verdict.FAIL, "always", check=CLEAN.check)

        assert proofs(CLEAN, spoilt, planted(Verdict.FAIL, "seen")) == [
            ("caught", "seen; its clean twin: fail: always", False)
        ]

    def test_without_a_twin_it_is_not_clean(self) -> None:
        assert proofs(planted(Verdict.FAIL, "seen")) == [
            ("caught", "seen; its clean twin: did not run", False)
        ]

    def test_what_was_not_tried_has_no_proof(self) -> None:
        assert proofs(CLEAN) == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in proof.COVERED:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file.py").write_text(folder)
    return tmp_path


class TestKept:
    def test_they_hold_for_the_files_as_they_were(self, root: Path) -> None:
        proof.keep(root, root / "build", [make.proof()])

        assert proof.load(root, root / "build") == proof.Proofs(proofs=(make.proof(),), note="")

    @pytest.mark.parametrize("folder", proof.COVERED)
    @pytest.mark.parametrize("change", ["edited", "added", "removed", "renamed"])
    def test_any_change_of_what_they_depend_on_makes_them_stale(
        self, root: Path, folder: str, change: str
    ) -> None:
        proof.keep(root, root / "build", [make.proof()])
        file = root / folder / "file.py"
        match change:
            case "edited":
                file.write_text("another")
            case "added":
                (root / folder / "new.toml").touch()
            case "removed":
                file.unlink()
            case "renamed":
                file.rename(file.with_name("other.py"))

        loaded = proof.load(root, root / "build")

        assert loaded.proofs == ()
        assert "stale" in loaded.note
        assert "harness selftest" in loaded.note

    def test_compiled_files_and_the_rest_do_not_matter(self, root: Path) -> None:
        proof.keep(root, root / "build", [make.proof()])
        (root / "suites" / "__pycache__").mkdir()
        (root / "suites" / "__pycache__" / "file.pyc").touch()
        (root / "README.md").touch()

        assert proof.load(root, root / "build").proofs

    def test_a_later_self_test_replaces_its_own_and_keeps_the_others(self, root: Path) -> None:
        other, missed = make.proof(defect_key="other"), make.proof(outcome="missed")
        proof.keep(root, root / "build", [other, make.proof()])
        proof.keep(root, root / "build", [missed])

        assert set(proof.load(root, root / "build").proofs) == {other, missed}

    def test_but_not_those_that_are_stale(self, root: Path) -> None:
        proof.keep(root, root / "build", [make.proof(defect_key="other")])
        (root / "panotti" / "file.py").write_text("another")
        proof.keep(root, root / "build", [make.proof()])

        assert proof.load(root, root / "build").proofs == (make.proof(),)

    def test_without_a_self_test_there_are_none(self, root: Path) -> None:
        loaded = proof.load(root, root / "build")

        assert loaded.proofs == ()
        assert "no self-test was run yet" in loaded.note

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[]", b'{"proofs":[{}],"sha256":""}', b'{"sha256":""}', b'{"proofs":[]}']
    )
    def test_a_file_that_is_broken_proves_nothing(self, root: Path, content: bytes) -> None:
        path = proof.keep(root, root / "build", [make.proof()])
        path.write_bytes(content)

        loaded = proof.load(root, root / "build")

        assert loaded.proofs == ()
        assert "cannot be read" in loaded.note
