"""Scans as tables for the report's page on the supply chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.records import Table
from harness.scans import Hit, Scan
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
        columns=("scan of", "by", "data of", "scanned", "findings", "triaged", "missed"),
        rows=tuple(
            (
                *(name, f"{scan.tool} {scan.version}", scan.data or "its own rules"),
                ", ".join(f"{count} {what}" for what, count in scan.scanned.items()),
                *(len(scan.hits), len(scan.hits) - len(scan.open), "; ".join(scan.missed) or "nothing"),
            )
            for name, scan in scans.items()
        ),
    )


def findings_tables(scans: Mapping[str, Scan]) -> Iterator[Table]:
    """The findings that are open, and those that are none with the reason why; each of them once."""
    found = {hit.fingerprint: (hit, scan) for scan in reversed([*scans.values()]) for hit in scan.hits}
    yield Table(
        page="supply-chain",
        title="Open findings of the scanners",
        columns=("where", "what", "rule", "severity", "fingerprint"),
        rows=tuple(
            (_where(hit), hit.text, _rule(hit), hit.severity, hit.fingerprint)
            for hit, scan in found.values()
            if hit.fingerprint not in scan.triaged
        )[:_ROWS]
        or (("nowhere", "nothing is open", "", "", ""),),
    )
    yield Table(
        page="supply-chain",
        title="Looked at, and no findings",
        columns=("where", "rule", "why it is none"),
        rows=tuple(
            (_where(hit), _rule(hit), scan.triaged[hit.fingerprint])
            for hit, scan in found.values()
            if hit.fingerprint in scan.triaged
        )[:_ROWS],
    )


def _where(hit: Hit) -> str:
    return f"{hit.place}:{hit.line}" if hit.line else hit.place


def _rule(hit: Hit) -> str:
    return ", ".join(filter(None, (hit.rule, hit.cwe)))


def _locked(package: Package, lock: Lock | None) -> str:
    if lock is None:
        return "not known"
    pin = lock.pins.get(package.canonical)
    return "yes" if pin and pin.version == package.version else "other version" if pin else "not named"
