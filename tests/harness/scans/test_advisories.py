"""A snapshot is read whole or refused, and a version is held against its ranges as the OSV schema says."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.errors import AdvisoriesError
from harness.scans.advisories import SHIPPED, affects, read_snapshot

ADVISORY = """\
id: PYSEC-2026-1
modified: {modified}
affected:
- package: {{name: left-pad, ecosystem: PyPI}}
  ranges:
  - type: ECOSYSTEM
    events: [{{introduced: '0'}}, {{fixed: 1.2.0}}]
"""


def archive(path: Path, members: Iterable[tuple[str, str]]) -> Path:
    with tarfile.open(path, "w:xz") as tar:
        for name, text in members:
            info = tarfile.TarInfo(f"advisory-database/{name}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def advisory(*events: dict[str, str], versions: Iterable[str] = (), **package: str) -> dict[str, Any]:
    return {
        "affected": [
            {
                "package": {"name": "Left_Pad", "ecosystem": "PyPI"} | package,
                "ranges": [{"type": "ECOSYSTEM", "events": [*events]}],
                "versions": [*versions],
            }
        ]
    }


def test_the_shipped_snapshot_knows_what_it_is_known_to_know() -> None:
    snapshot = read_snapshot(SHIPPED)

    assert snapshot.count == 2661
    assert snapshot.taken.date().isoformat() == "2024-10-10"
    assert {found["id"] for found in snapshot.about("Jinja2", "2.10")} >= {"PYSEC-2019-217"}
    assert snapshot.about("jinja2", "99") == ()
    assert snapshot.about("no-such-package", "1.0") == ()


def test_its_day_is_that_of_the_newest_advisory(tmp_path: Path) -> None:
    days = ("'2026-01-02T03:04:05Z'", "2026-11-20T00:00:00.123Z", '"2025-12-31T23:59:59Z"')
    members = [(f"vulns/p{n}/A{n}.yaml", ADVISORY.format(modified=day)) for n, day in enumerate(days)]

    snapshot = read_snapshot(archive(tmp_path / "new.tar.xz", members))

    assert snapshot.taken == datetime(2026, 11, 20, tzinfo=UTC)
    assert snapshot.count == 3


def test_names_are_compared_as_an_index_does(tmp_path: Path) -> None:
    text = ADVISORY.format(modified="2026-01-02T03:04:05Z")
    snapshot = read_snapshot(archive(tmp_path / "a.tar.xz", [("vulns/left_pad/A.yaml", text)]))

    assert [found["id"] for found in snapshot.about("Left.Pad", "1.1.9")] == ["PYSEC-2026-1"]
    assert snapshot.about("left-pad", "1.2.0") == ()


@pytest.mark.parametrize("kept", [0, 10, 1000, 200_000, 499_000])
def test_one_that_is_cut_off_is_refused(tmp_path: Path, kept: int) -> None:
    cut = tmp_path / "cut.tar.xz"
    cut.write_bytes(SHIPPED.read_bytes()[:kept])

    with pytest.raises(AdvisoriesError, match=r"cut\.tar\.xz: the snapshot cannot be read whole"):
        read_snapshot(cut)


@pytest.mark.parametrize("beyond", [0, 100])
def test_one_that_was_cut_off_before_it_was_compressed_is_refused(tmp_path: Path, beyond: int) -> None:
    """At the border of two members, tarfile takes the cut for the end."""
    whole = lzma.decompress(SHIPPED.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        border = tar.getmembers()[2000].offset
    cut = tmp_path / "cut.tar.xz"
    cut.write_bytes(lzma.compress(whole[: border + beyond], preset=0))

    with pytest.raises(AdvisoriesError, match="cannot be read whole"):
        read_snapshot(cut)


def test_what_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    other = archive(tmp_path / "other.tar.xz", [("README.md", "modified: 2026-01-01T00:00:00Z")])
    text = tmp_path / "text"
    text.write_text("no archive")

    with pytest.raises(AdvisoriesError, match="no dated advisory"):
        read_snapshot(other)
    with pytest.raises(AdvisoriesError, match="cannot be read whole") as refusal:
        read_snapshot(text)
    assert "\n" not in refusal.value.what
    with pytest.raises(AdvisoriesError, match=r"missing\.tar: the snapshot .* No such file"):
        read_snapshot(tmp_path / "missing.tar")


def test_an_advisory_that_is_no_yaml_is_an_error_when_it_is_asked_for(tmp_path: Path) -> None:
    text = "modified: 2026-01-01T00:00:00Z\naffected: [\n"
    snapshot = read_snapshot(archive(tmp_path / "b.tar.xz", [("vulns/left-pad/A.yaml", text)]))

    assert snapshot.about("another", "1.0") == ()
    with pytest.raises(AdvisoriesError, match="is no YAML"):
        snapshot.about("left-pad", "1.0")


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ([{"introduced": "0"}, {"fixed": "1.2"}], ["0.1", "1.1.9", "1.2rc1"], ["1.2", "1.2.0", "2"]),
        ([{"introduced": "1.0"}, {"last_affected": "1.4"}], ["1.0", "1.4", "1.4.0"], ["0.9", "1.4.1"]),
        ([{"introduced": "2.0"}], ["2.0", "99"], ["1.9", "2.0rc1"]),
        (
            [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"fixed": "2.1"}],
            ["1.0", "2.0.5"],
            ["1.5", "2.1"],
        ),
        ([{"fixed": "1.2", "introduced": "0"}], ["1.0"], ["1.2"]),
        ([{"introduced": "1.0"}, {"fixed": "not a version"}], ["1.0"], ["0.1"]),
    ],
)
def test_ranges(events: list[dict[str, str]], inside: list[str], outside: list[str]) -> None:
    about = advisory(*events)

    assert [v for v in inside if not affects(about, "left-pad", v)] == []
    assert [v for v in outside if affects(about, "left-pad", v)] == []


def test_listed_versions_count_besides_ranges() -> None:
    about = advisory(versions=["1.0", "old"])

    assert affects(about, "left-pad", "1.0.0")
    assert not affects(about, "left-pad", "1.1")


def test_another_package_or_another_registry_is_not_meant() -> None:
    assert not affects(advisory({"introduced": "0"}, name="other"), "left-pad", "1.0")
    assert not affects(advisory({"introduced": "0"}, ecosystem="npm"), "left-pad", "1.0")
    commits = advisory({"introduced": "0"})
    commits["affected"][0]["ranges"][0]["type"] = "GIT"
    assert not affects(commits, "left-pad", "1.0")
