"""Scans as tables for the report's page on the supply chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.records import Table
from harness.scans import Scan
from harness.scans.audit import Package
from harness.scans.lock import Lock

_ROWS: Final = 300
_NONE: Final = "none known"


def packages_table(packages: Sequence[Package], lock: Lock | None, scan: Scan) -> Table:
    """What is installed, whether it is as the lock says, and which advisories are known."""
    known: dict[str, list[str]] = {}
    for hit in scan.hits:
        known.setdefault(hit.place, []).append(hit.rule)
    ordered = sorted(packages, key=lambda package: (str(package) not in known, package.canonical))
    return Table(
        page="supply-chain",
        title="Packages installed where the server runs",
        columns=("package", "version", "as locked", "advisories"),
        rows=tuple(
            (each.name, each.version, _locked(each, lock), ", ".join(known.get(str(each), [_NONE])))
            for each in ordered[:_ROWS]
        ),
    )


def scanners_table(scans: Mapping[str, Scan]) -> Table:
    """What scanned what, with which data, and what it may have missed."""
    return Table(
        page="supply-chain",
        title="Scanners",
        columns=("scan of", "tool", "version", "data of", "scanned", "findings", "triaged", "missed"),
        rows=tuple(
            (
                *(name, scan.tool, scan.version, scan.data or "its own rules"),
                ", ".join(f"{count} {what}" for what, count in scan.scanned.items()),
                *(len(scan.hits), len(scan.hits) - len(scan.open), "; ".join(scan.missed) or "nothing"),
            )
            for name, scan in scans.items()
        ),
    )


def findings_table(scans: Mapping[str, Scan]) -> Table:
    """Every finding; triaged ones with the reason why they are none."""
    rows = [
        (
            *(name, f"{hit.place}:{hit.line}" if hit.line else hit.place, hit.text, hit.rule, hit.cwe),
            *(hit.severity, hit.fingerprint, scan.triaged.get(hit.fingerprint, "open")),
        )
        for name, scan in scans.items()
        for hit in (*scan.open, *(hit for hit in scan.hits if hit.fingerprint in scan.triaged))
    ]
    return Table(
        page="supply-chain",
        title="Findings of the scanners",
        columns=("scan of", "where", "what", "rule", "weakness", "severity", "fingerprint", "triaged as"),
        rows=tuple(rows[:_ROWS]),
    )


def _locked(package: Package, lock: Lock | None) -> str:
    if lock is None:
        return "not known"
    pin = lock.pins.get(package.canonical)
    return "yes" if pin and pin.version == package.version else "other version" if pin else "not named"
