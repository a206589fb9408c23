"""Every defect that a check declares can still be planted in the reference."""

from __future__ import annotations

import pytest

from harness import places
from harness.defects import Added, Edit, Remade
from harness.plugin.registry import listed
from harness.runtimes.overlay import lay
from suites.releases import RELEASES

SUITES = places.PROJECT / "suites"


@pytest.fixture(scope="module")
def checks():
    return listed(SUITES)


def test_every_edit_finds_its_text(checks):
    outdated = []
    for check in checks:
        for variation in (check.declaration.setup, *check.declaration.broken_by):
            profile = check.declaration.proof_profile
            try:
                lay((change for change in variation.changes if isinstance(change, Edit)), profile)
                for change in variation.changes:
                    if isinstance(change, Remade):
                        lay([*RELEASES[change.version].changes, *change.changes], profile)
            except Exception as error:
                outdated.append(f"{check.check}, {variation.title}: {error}")

    assert len(checks) > 150
    assert outdated == []


@pytest.mark.parametrize("version", RELEASES)
def test_every_release_that_checks_try_can_be_made(version):
    changes = [*RELEASES[version].changes]

    assert all(isinstance(change, Edit | Added) for change in changes)
    assert lay(changes, "production").package
