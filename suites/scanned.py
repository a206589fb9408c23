"""Defects that more than one suite of scans plants."""

from __future__ import annotations

from harness import added, blinding, defect, scanner
from harness.defects import Variation

_METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"


def installed(title: str, name: str, version: str, more: str = "") -> Variation:
    """A package more, as its installation would leave it: listed, and before any other of its name."""
    path = f"{name.replace('-', '_')}-{version}.dist-info/METADATA"
    return added(title, path, _METADATA.format(name=name, version=version, more=more))


OLD_JINJA = installed("a package with a known vulnerability is installed", "jinja2", "2.10")
OLD_MAKO = installed(
    "an old, vulnerable copy of a dependency of a dependency is found first", "mako", "1.1.0"
)
NO_ADVISORIES = scanner("the auditor's database is empty", "pip-audit", "blind")
OLD_ADVISORIES = scanner("the auditor's data are more than a year old", "pip-audit", "stale")
SKIPPED = blinding(
    defect(
        "a package that came from a repository, which the auditor skips",
        installed("", "house-fork", "1.0"),
        added(
            "",
            "house_fork-1.0.dist-info/direct_url.json",
            '{"url": "https://git.example/house-fork.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}',
        ),
    )
)
