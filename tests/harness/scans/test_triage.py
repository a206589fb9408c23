"""The triage file: reasons by fingerprint, and nothing else in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import TriageError
from harness.scans import Hit, Scan
from harness.scans.triage import read_triage

ONE = (
    '[00000000000000aa]\nfinding = "app.py: it looks like one"\nreason = "an example in the documentation"\n'
)


def test_reasons_by_fingerprint(tmp_path: Path) -> None:
    assert read_triage(tmp_path) == {}
    (tmp_path / "triage.toml").write_text(ONE)
    assert read_triage(tmp_path) == {"00000000000000aa": "an example in the documentation"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x]\n", "triaged.x"),
        (ONE.replace("reason", "raeson"), "raeson"),
        (ONE.replace("an example in the documentation", "no"), "reason"),
        ('[00000000000000aa]\nfinding = "app.py: it looks"\n', "reason: missing"),
        ("[00000000000000aa", "not TOML"),
        (ONE + ONE, "not TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "triage.toml").write_text(text)

    with pytest.raises(TriageError, match=r"triage\.toml") as refusal:
        read_triage(tmp_path)
    assert said in str(refusal.value)


def test_a_reason_explains_a_finding_and_does_not_remove_it() -> None:
    def hit(fingerprint: str) -> Hit:
        return Hit(tool="t", rule="r", cwe="", severity="low", place="p", text="x", fingerprint=fingerprint)

    scan = Scan(tool="t", version="1", hits=(hit("a"), hit("b")), scanned={}).explained(
        {"a": "why", "c": "no"}
    )

    assert [each.fingerprint for each in scan.hits] == ["a", "b"]
    assert [each.fingerprint for each in scan.open] == ["b"]
    assert scan.triaged == {"a": "why"}
