"""bandit for real: findings, what it could not read, and fingerprints that stay."""

from __future__ import annotations

from pathlib import Path

from harness.scans import SEVERITIES, Scan, at_least
from harness.scans.code import scan_code

SHELL = b"import subprocess\n\n\ndef run(name):\n    subprocess.run(f'ls {name}', shell=True)\n"
WEAK = b"import hashlib\n\nhashlib.md5(b'')  # nosec\n"


def scanned(tmp_path: Path, rules: str = "", **files: bytes) -> Scan:
    named = {
        name.replace("__", "/").replace("_py", ".py").replace("_pyc", ".pyc"): f for name, f in files.items()
    }
    return scan_code(named, tmp_path, rules=rules)


def test_findings_carry_rule_weakness_severity_and_place(tmp_path: Path) -> None:
    scan = scanned(tmp_path, deep__run_py=SHELL, tests__weak_py=WEAK, fine_py=b"x = 1\n")

    assert [(h.rule, h.cwe, h.severity, h.place, h.line) for h in at_least(scan.hits, "medium")] == [
        ("B602", "CWE-78", "high", "deep/run.py", 5),
        ("B324", "CWE-327", "high", "tests/weak.py", 3),
    ]
    assert scan.missed == ()
    assert scan.scanned == {"files": 3, "lines": 9}


def test_what_it_could_not_read_is_told(tmp_path: Path) -> None:
    files = {
        "good.py": b"x = 1\n",
        "bad.py": b"def broken(:\n",
        "fast.cpython-311-x86_64-linux-gnu.so": b"\x7fELF",
    }
    scan = scan_code(files, tmp_path)

    assert len(scan.missed) == 2
    assert scan.missed[0].startswith("bad.py: ")
    assert scan.missed[1] == "fast.cpython-311-x86_64-linux-gnu.so: compiled, without source"


def test_without_its_rules_it_says_that_it_was_blind(tmp_path: Path) -> None:
    scan = scanned(tmp_path, "B101", run_py=SHELL)

    assert scan.hits == ()
    assert "did not see the insecure call planted for it" in scan.missed[0]


def test_an_unknown_rule_is_no_pass(tmp_path: Path) -> None:
    assert any("broke off" in reason for reason in scanned(tmp_path, "B999", run_py=SHELL).missed)


def test_fingerprints_stay_while_lines_move_and_go_when_they_change(tmp_path: Path) -> None:
    def looks(folder: str, text: bytes) -> set[str]:
        return {hit.fingerprint for hit in at_least(scanned(tmp_path / folder, run_py=text).hits, "high")}

    before = looks("one", SHELL)

    assert looks("two", b"# a line more\n\n" + SHELL) == before
    assert looks("three", SHELL.replace(b"ls {name}", b"rm {name}")) != before


def test_severities_are_ordered(tmp_path: Path) -> None:
    hits = scanned(tmp_path, run_py=SHELL).hits

    counts = [len(at_least(hits, severity)) for severity in SEVERITIES]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2] > counts[3] == 0
