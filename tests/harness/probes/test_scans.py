"""The scans of one deployment: evidence for each check, made once, and planted defects really planted."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from harness import places
from harness.contract import Contract
from harness.defects import CLEAN, Variation, added, scanner
from harness.outcome import NotVerified
from harness.probes.inside import run_inside
from harness.probes.packages import PackageProbe
from harness.probes.scans import ScanProbe
from harness.records import Table
from harness.runtimes import Specification
from harness.scans.advisories import SHIPPED
from harness.scans.setup import Setup
from harness.target import Source

TOKEN = "ghp_" + "Zr8qW3nLx0VtB5mYc7" + "JdGf2HsKe9aUo4TiPw"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "code"
    root.mkdir()
    (root / "app.py").write_text("import hashlib\n\nhashlib.md5(b'')\n")
    (root / "requirements.txt").write_text("left-pad\n")
    return root


@pytest.fixture
def probe(plain, folder, monkeypatch, tmp_path):
    monkeypatch.setattr(places, "BUILD", tmp_path / "build")
    plain.runtime = "containers"

    def make(variation: Variation = CLEAN, **given) -> ScanProbe:
        plain.specification = Specification(profile="production", variation=variation)
        plain.secrets = {"name": "a-key-of-this-run"}
        target = Source(folder=folder, contract=Contract(name="any"))
        setup = Setup(**{"target": target, "rehearsal": True, **given})
        return ScanProbe(plain, PackageProbe(plain, setup), setup)

    return make


def committed(folder: Path) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "x")):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def test_each_check_gets_its_evidence_of_a_scan_that_is_made_once(probe, recorder, folder):
    scans = probe()
    first = scans.code()
    (folder / "app.py").write_text("x = 1\n")

    assert scans.code() is first
    assert [hit.rule for hit in first.hits] == ["B324"]
    assert recorder.total == 2
    assert recorder.telling()[0].data["scanned"] == {"files": 1, "lines": 3}


def test_what_is_triaged_stays_and_is_told(probe, recorder, folder):
    (hit,) = probe().code().hits
    (folder / "triage.toml").write_text(
        f'[{hit.fingerprint}]\nfinding = "app.py: a weak hash"\nreason = "no password and no signature"\n'
    )
    scans = probe(rehearsal=False, advisories=SHIPPED)

    assert scans.code().open == ()
    assert scans.code().hits == (hit,)
    scans.tables()
    tables = {item.title: item for item in recorder.telling() if isinstance(item, Table)}
    assert [row[:2] for row in tables["Scanners"].rows] == [
        ("code", f"bandit {version('bandit')}"),
        ("packages", f"pip-audit {version('pip-audit')}"),
        ("source tree", f"detect-secrets {version('detect-secrets')}"),
    ]
    assert tables["Open findings of the scanners"].rows[0][0] == "nowhere"
    assert tables["Looked at, and no findings"].rows == (
        ("app.py:3", "B324, CWE-327", "no password and no signature"),
    )
    assert {row[2] for row in tables["Packages installed where the server runs"].rows} == {"not named"}


def test_secrets_are_planted_in_a_tree_without_touching_it(probe, folder):
    scans = probe(added("", "notes.md", f"{TOKEN}\n", place="tree"))

    assert [hit.place for hit in scans.tree().open] == ["notes.md"]
    assert not (folder / "notes.md").exists()


def test_secrets_are_planted_in_a_history_without_touching_it(probe, folder):
    with pytest.raises(NotVerified, match="git knows no history"):
        probe().history()
    committed(folder)
    clean = probe().history()
    planted = probe(added("", "notes.md", f"{TOKEN}\n", place="history")).history()

    assert (clean.open, clean.missed, clean.scanned["commits"]) == ((), (), 1)
    assert [hit.place.split()[-1] for hit in planted.open] == ["notes.md"]
    assert planted.scanned["commits"] == 3
    assert not (folder / "notes.md").exists()


def test_the_runs_own_secrets_are_searched_for(probe):
    scans = probe()

    assert scans.text("log", b"nothing of it").open == ()
    assert [hit.rule for hit in scans.text("log", b"key=a-key-of-this-run").open] == ["a secret of this run"]


def test_journal_and_reports_are_searched(probe, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.probes.scans.entry_points", lambda **_: ())
    journal = tmp_path / "journal"
    journal.mkdir()
    (journal / "head.json").write_text("{}")
    with pytest.raises(NotVerified, match="no journal"):
        probe().outputs()

    assert probe(outputs=journal).outputs().open == ()
    planted = probe(added("", "a.log", "${name}", place="outputs"), outputs=journal).outputs()
    assert [hit.severity for hit in planted.open] == ["critical"]
    (journal / "head.json").write_text("a-key-of-this-run")
    assert len(probe(outputs=journal).outputs().open) == 1


@pytest.mark.parametrize(
    ("tool", "scan"), [("bandit", "code"), ("detect-secrets", "tree")], ids=["bandit", "detect-secrets"]
)
def test_a_blinded_scanner_misses_what_was_planted_for_it(probe, tool, scan):
    assert getattr(probe(), scan)().missed == ()
    assert "planted for it" in getattr(probe(scanner("", tool, "blind")), scan)().missed[0]


def test_packages_are_listed_and_audited_by_data_of_their_age(probe):
    audit = probe().audit(["panotti-compliance"])

    assert audit.age_days == 0
    assert audit.scan.missed == ()
    assert audit.scan.scanned["packages"] > 30


def test_in_the_harness_own_environment_no_package_is_the_applications(probe, plain, folder):
    plain.runtime = "process"

    with pytest.raises(NotVerified, match="shares the harness's environment"):
        probe().audit()
    target = Source(folder=folder, contract=Contract(name="any"))
    assert list(PackageProbe(plain, Setup(target=target)).lock().pins) == ["left-pad"]


@pytest.mark.parametrize("days", [3, -5])
def test_on_an_ordinary_day_data_are_as_old_as_they_are(probe, tmp_path, days):
    taken = datetime.now(UTC) - timedelta(days=days, hours=1)
    text = f"id: A\nmodified: {taken:%Y-%m-%dT%H:%M:%SZ}\naffected: []\n".encode()
    snapshot = tmp_path / "some-days.tar"
    with tarfile.open(snapshot, "w") as tar:
        info = tarfile.TarInfo("db/vulns/left-pad/A.yaml")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))

    audit = probe(rehearsal=False, advisories=snapshot).audit()

    assert (audit.age_days, audit.source) == (days, "some-days.tar")
    assert "planted for it" in audit.scan.missed[0]
    assert any("in the future" in reason for reason in audit.scan.missed) == (days < 0)


def test_faults_of_the_auditor(probe):
    assert probe(scanner("", "pip-audit", "stale")).audit().age_days > 365
    assert "knew nothing" in probe(scanner("", "pip-audit", "blind")).audit().scan.missed[0]


def test_a_server_elsewhere_shows_nothing(probe, plain):
    for scan in ("tree", "history"):
        with pytest.raises(NotVerified):
            getattr(probe(target=None), scan)()
    with pytest.raises(NotVerified, match="no lock"):
        PackageProbe(plain, Setup()).lock()
    assert PackageProbe(plain, Setup()).lock_if_known() is None


def test_inside_packages_are_listed_with_origin_licence_and_altered_files(plain, tmp_path, monkeypatch):
    folder = tmp_path / "packages"
    info = folder / "left_pad-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: Left.Pad\nVersion: 1.0\n"
        "Classifier: License :: OSI Approved :: MIT License\n"
    )
    (info / "direct_url.json").write_text('{"url": "file:///somewhere", "dir_info": {}}')
    (info / "RECORD").write_text(
        "left_pad.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\ngone.py,sha256=47DE,0\nfree.py,,\n"
    )
    (folder / "left_pad.py").write_text("changed")
    monkeypatch.setenv("PYTHONPATH", str(folder))

    listed = json.loads(run_inside(plain, "list_packages", stdin="left-pad\n"))

    (found,) = [row for row in listed["packages"] if row[0] == "Left.Pad"]
    assert listed["prefix"] == sys.prefix
    assert found[1:] == ["1.0", "file:///somewhere", ["MIT License"], ["left_pad.py", "gone.py (missing)"]]
    again = json.loads(run_inside(plain, "list_packages"))["packages"]
    assert [row[-1] for row in again if row[0] == "Left.Pad"] == [[]]


def test_inside_code_is_read_but_for_what_is_too_large(plain, folder):
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "app.pyc").write_bytes(b"x")
    (folder / "large.py").write_text("x" * 100)

    read = json.loads(run_inside(plain, "read_code", str(folder), "50"))

    assert {name: content is None for name, content in read.items()} == {
        "app.py": False,
        "large.py": True,
        "requirements.txt": False,
    }
