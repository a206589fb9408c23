"""detect-secrets for real. Every secret here is put together, so that this file holds none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

from harness import places
from harness.probes.needles import needles
from harness.scans import Scan
from harness.scans.secrets import Text, scan_secrets

GITHUB = "ghp_" + "Zr8qW3nLx0VtB5mYc7" + "JdGf2HsKe9aUo4TiPw"
RANDOM = "b5Nc8VyQ2kXr7ZtL" + "4wHm9DsJ3pGf6AeU"
HEX = "".join(("9f86d081", "884c7d65", "9a2feaa0", "c55ad015"))
KEY = "-----BEGIN " + "RSA PRIVATE KEY-----\nMIIEow"
LINES = {
    "token.sh": f"export TOKEN={GITHUB}\n",
    "settings.ini": f"[mail]\npass{''}word = {RANDOM[:16]}\n",
    "key.pem": KEY,
    "quoted.py": f"x = 1\nVALUE = '{RANDOM}'\n",
    "hex.py": f"DIGEST = '{HEX}'\n",
    "named.py": "pass" + "word" + " = 'correct-horse'\n",
    "issued.py": f"# see {GITHUB}\n",
    "plain.py": "x = 1\nname = 'a name'\n",
}


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    return tmp_path / "build"


def scanned(
    tmp_path: Path, files: dict[str, str | bytes], own: dict[str, str] | None = None, **how: bool
) -> Scan:
    (tmp_path / "files").mkdir(exist_ok=True)
    texts = []
    for name, content in files.items():
        file = tmp_path / "files" / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        texts.append(Text(place=f"src/{name}", file=file))
    return scan_secrets(texts, tmp_path, own=needles(own or {}), **how)


def test_each_kind_is_found_where_it_stands(tmp_path: Path) -> None:
    scan = scanned(tmp_path, {**LINES})

    found = {hit.place.removeprefix("src/"): (hit.line, hit.severity) for hit in scan.hits}
    assert found == {
        "token.sh": (1, "high"),
        "settings.ini": (2, "medium"),
        "key.pem": (1, "high"),
        "quoted.py": (2, "medium"),
        "hex.py": (1, "medium"),
        "named.py": (1, "medium"),
        "issued.py": (1, "high"),
    }
    assert {hit.cwe for hit in scan.hits} == {"CWE-798"}
    assert not any(secret in str(hit) for hit in scan.hits for secret in (GITHUB, RANDOM, HEX))
    assert scan.missed == ()
    assert scan.scanned == {"files": 8}


def test_the_shortcut_for_python_finds_what_the_library_finds(tmp_path: Path) -> None:
    file = tmp_path / "all.py"
    noise = "".join(f"value_{n} = call({n}, 'some text', other=[1, 2])\n" for n in range(50))
    file.write_text(noise + "".join(LINES.values()) + noise)
    with default_settings():
        theirs = {secret.line_number for secret in scan_file(str(file))}

    ours = {hit.line for hit in scan_secrets([Text(place="all.py", file=file)], tmp_path, own={}).hits}

    assert theirs
    assert ours == theirs


def test_its_comments_do_not_silence_it(tmp_path: Path) -> None:
    line = f"VALUE = '{RANDOM}'  # pragma: allow{''}list secret\n"

    assert len(scanned(tmp_path, {"a.py": line}).hits) == 1


def test_own_secrets_are_found_in_any_spelling_and_in_binary_files(tmp_path: Path) -> None:
    own = {"door": "a-key-of-this-run"}
    scan = scanned(tmp_path, {"a.bin": b"\0\1a-key-of-this-run\0", "b.txt": b"a-key-of-this-run".hex()}, own)

    assert [(hit.place, hit.severity) for hit in scan.hits] == [
        ("src/a.bin", "critical"),
        ("src/b.txt", "critical"),
    ]
    assert "door" in scan.hits[0].text
    assert scan.scanned == {"files": 2, "of them binary": 1}


def test_in_what_programs_wrote_only_known_forms_count(tmp_path: Path) -> None:
    scan = scanned(
        tmp_path, {"log.txt": f'{{"id": "{HEX}", "pass{""}word": "no"}}\n{GITHUB}\n'}, guesses=False
    )

    assert [hit.line for hit in scan.hits] == [2]


def test_without_its_rules_it_says_that_it_was_blind(tmp_path: Path) -> None:
    scan = scanned(tmp_path, {**LINES}, blind=True)

    assert scan.hits == ()
    assert "did not see the token planted for it" in scan.missed[0]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    gone = Text(place="gone.txt", file=tmp_path / "gone.txt")
    large = tmp_path / "large.txt"
    large.write_bytes(b"x\n" * 2_000_001)
    scan = scan_secrets([gone, Text(place="large.txt", file=large)], tmp_path, own={})

    assert [reason.partition(":")[0] for reason in scan.missed] == ["gone.txt", "large.txt"]


def test_what_did_not_change_is_not_read_twice_and_found_again(tmp_path: Path, build: Path) -> None:
    first = scanned(tmp_path, {**LINES})
    second = scanned(tmp_path, {**LINES})

    assert second.hits == first.hits
    assert second.scanned["of them unchanged since an earlier scan"] == len(LINES)
    (kept,) = (build / "scans").iterdir()
    assert not any(secret in kept.read_text() for secret in (GITHUB, RANDOM, HEX))
    changed = scanned(tmp_path, {**LINES, "plain.py": f"x = '{RANDOM}'\n"})
    assert len(changed.hits) == len(first.hits) + 1


def test_what_was_kept_and_is_spoilt_is_made_anew(tmp_path: Path, build: Path) -> None:
    scanned(tmp_path, {**LINES})
    (kept,) = (build / "scans").iterdir()
    kept.write_text("{")

    assert len(scanned(tmp_path, {**LINES}).hits) == 7
    assert json.loads(kept.read_text())


def test_fingerprints_stay_while_lines_move(tmp_path: Path) -> None:
    line = f"VALUE = '{RANDOM}'\n"
    one, two, three = (
        scanned(tmp_path, {"a.py": text}).hits[0].fingerprint
        for text in (line, f"x = 1\n  {line}", line.replace("VALUE", "OTHER"))
    )

    assert one == two != three


def test_the_fingerprint_of_a_waiver_is_no_secret(tmp_path: Path) -> None:
    scan = scanned(
        tmp_path, {"waivers.toml": f'fingerprint = "{HEX[:16]}"\n', "other.toml": f'value = "{HEX}"\n'}
    )

    assert [hit.place for hit in scan.hits] == ["src/other.toml"]
