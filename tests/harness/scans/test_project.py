"""The project itself: no finding that nobody looked at, and no entry of the triage file for nothing."""

from __future__ import annotations

import pytest

from harness import places
from harness.scans import Hit
from harness.scans.code import scan_code
from harness.scans.repository import history, tree
from harness.scans.secrets import scan_secrets
from harness.scans.triage import NAME, read_triage


@pytest.fixture(scope="module")
def hits(tmp_path_factory: pytest.TempPathFactory) -> list[Hit]:
    workspace = tmp_path_factory.mktemp("scan")
    found = [*scan_secrets(tree(places.PROJECT), workspace, own={}).hits]
    past = history(places.PROJECT, tmp_path_factory.mktemp("history"))
    if past is not None:
        found += scan_secrets(past.texts, workspace, own={}).hits
    package = [file for file in places.PACKAGE.rglob("*.py") if file.is_file()]
    files = {str(file.relative_to(places.PACKAGE)): file.read_bytes() for file in package}
    return [*found, *scan_code(files, workspace).hits]


def test_no_finding_is_open(hits: list[Hit]) -> None:
    triaged = read_triage(places.PROJECT)
    entries = [
        f'[{hit.fingerprint}]\nfinding = "{hit.place.rpartition(" ")[2]}: {hit.rule.lower()}"\nreason = ""\n'
        for hit in hits
        if hit.severity != "low" and hit.fingerprint not in triaged
    ]

    assert not entries, f"put these right, or enter them into {NAME} with a reason:\n\n" + "\n".join(entries)


def test_every_entry_is_about_a_finding(hits: list[Hit]) -> None:
    unused = read_triage(places.PROJECT).keys() - {hit.fingerprint for hit in hits}

    assert not unused, f"nothing is found any more, drop them from {NAME}: {sorted(unused)}"
