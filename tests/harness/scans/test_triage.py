"""The triage file: reasons by fingerprint, and nothing else in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import TriageError
from harness.probes.needles import needles
from harness.scans import Hit, Scan
from harness.scans.secrets import Text, scan_secrets
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
    def hit(fingerprint: str, *, certain: bool = False) -> Hit:
        return Hit(
            tool="t",
            rule="r",
            cwe="",
            severity="low",
            place="p",
            text="x",
            fingerprint=fingerprint,
            certain=certain,
        )

    scan = Scan(tool="t", version="1", hits=(hit("a"), hit("b")), scanned={}).explained(
        {"a": "why", "c": "no"}
    )

    assert [each.fingerprint for each in scan.hits] == ["a", "b"]
    assert [each.fingerprint for each in scan.open] == ["b"]
    assert scan.triaged == {"a": "why"}


def test_what_is_certain_is_not_explained_away(tmp_path: Path) -> None:
    secret = tmp_path / "log.txt"
    secret.write_text("key=a-key-of-this-run")
    scan = scan_secrets(
        [Text(place="log", file=secret)], tmp_path, own=needles({"door": "a-key-of-this-run"}), guesses=False
    )
    (hit,) = scan.hits

    assert scan.explained({hit.fingerprint: "we know"}).open == (hit,)
