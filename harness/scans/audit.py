"""pip-audit on a list of installed packages: known vulnerabilities, and what it could not tell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.scans import Hit, Scan, fingerprint
from harness.scans.service import Service

TOOL: Final = "pip-audit"
# Versions known to be vulnerable: what is asked of an auditor whose answer is known.
_PLANTED: Final = (
    ("django", "1.2"),
    ("pillow", "2.0.0"),
    ("ansible", "1.0"),
    ("invenio-previewer", "1.0.0a10"),
)
_AUDIT_S: Final = 60.0
_CWE: Final = (
    "CWE-1395"  # dependency on a vulnerable third-party component; advisories seldom name the weakness
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A distribution as it is installed.

    origin: where it came from when not by name and version from an index (PEP 610), else "".
    licences: what its metadata says.
    altered: files that are not as its RECORD says, where they were looked at.
    """

    name: str
    version: str
    origin: str = ""
    licences: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        """Its name as an index compares it."""
        return canonicalize_name(self.name)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def audit(packages: Sequence[Package], service: Service, workspace: Path) -> Scan:
    """Ask pip-audit about packages, and about one that is known to be vulnerable."""
    known = [package for package in packages if _can_be_asked(package)]
    missed = [
        f"{package or 'a package without a name'} has no version that can be asked for"
        for package in packages
        if package not in known
    ]
    planted = next((p for p in _PLANTED if p[0] not in {k.canonical for k in known}), _PLANTED[0])
    hits: list[Hit] = []
    saw = False
    for number, asked in enumerate(_rounds(known)):
        extra = [Package(name=planted[0], version=planted[1])] if number == 0 else []
        answers, problems = _run([*asked, *extra], service, workspace)
        missed += problems
        for name, version_, vulnerabilities in answers:
            if extra and (canonicalize_name(name), version_) == planted:
                saw = bool(vulnerabilities)
                continue
            hits += [_hit(name, version_, item) for item in vulnerabilities]
    if not saw:
        missed.insert(0, f"it did not see the vulnerability planted for it: {service.name} knew nothing")
    return Scan(
        tool=TOOL,
        version=version(TOOL),
        hits=tuple(sorted(hits, key=lambda hit: (hit.place, hit.rule))),
        scanned={"packages": len(packages)},
        missed=tuple(missed),
        data=f"{service.taken:%Y-%m-%d}",
    )


def _can_be_asked(package: Package) -> bool:
    try:
        Version(package.version)
    except InvalidVersion:
        return False
    return bool(package.name)


def _rounds(packages: Sequence[Package]) -> Iterator[list[Package]]:
    """Groups in which no name occurs twice, which pip-audit refuses: a package may be installed twice."""
    left = list(packages)
    yielded = False
    while left or not yielded:
        first = {package.canonical: package for package in reversed(left)}
        yield list(first.values())
        yielded = True
        left = [package for package in left if package not in first.values()]


def _run(
    packages: Sequence[Package], service: Service, workspace: Path
) -> tuple[list[tuple[str, str, list[dict[str, Any]]]], list[str]]:
    listed = workspace / "installed.txt"
    listed.write_text("".join(f"{_line(package)}\n" for package in packages), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"),
        *("--vulnerability-service", "osv", "--osv-url", service.url, "--timeout", "10"),
        *("--format", "json", "--progress-spinner", "off", "--cache-dir", str(workspace)),
    ]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            text=True,
            timeout=_AUDIT_S,
            check=False,
            cwd=workspace,
            env=os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        )
    except subprocess.TimeoutExpired:
        return [], [f"pip-audit did not end within {_AUDIT_S:g} s"]
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return [], [f"pip-audit broke off with status {done.returncode}: {last[:300]}"]
    return _read(answers, packages)


def _line(package: Package) -> str:
    """A package from elsewhere goes by its origin: another one of its name says nothing about it."""
    return f"{package.name} @ {package.origin}" if package.origin else f"{package.name}=={package.version}"


def _read(
    answers: Sequence[dict[str, Any]], packages: Sequence[Package]
) -> tuple[list[tuple[str, str, list[dict[str, Any]]]], list[str]]:
    skipped = {answer["name"]: str(answer["skip_reason"]) for answer in answers if "skip_reason" in answer}
    told = [(a["name"], a["version"], a["vulns"]) for a in answers if "skip_reason" not in a]
    problems = [f"pip-audit skipped {name}: {reason}" for name, reason in sorted(skipped.items())]
    answered = {canonicalize_name(name) for name in (*skipped, *(name for name, _, _ in told))}
    lost = sorted(package.name for package in packages if package.canonical not in answered)
    return told, [*problems, *(f"pip-audit said nothing about {name}" for name in lost)]


def _hit(name: str, version_: str, item: dict[str, Any]) -> Hit:
    fixed = ", ".join(item.get("fix_versions") or ()) or "no fixed version is known"
    aliases = ", ".join(sorted(item.get("aliases") or ()))
    return Hit(
        tool=TOOL,
        rule=item["id"],
        cwe=_CWE,
        severity="high",
        place=f"{name} {version_}",
        text=f"known vulnerability{f' {aliases}' if aliases else ''}, fixed in: {fixed}",
        fingerprint=fingerprint(TOOL, item["id"], canonicalize_name(name)),
        certain=True,
    )
