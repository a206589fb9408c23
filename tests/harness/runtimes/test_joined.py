"""What a start may share with a deployment that is up: it must differ in what the server is given alone."""

from __future__ import annotations

import pytest

from harness.defects import CLEAN, added, certificate, container, edit, secret, secret_files, setting
from harness.runtimes import Specification
from harness.runtimes.joined import may_join

STANDING = edit("what stands", "panotti/settings.py", "a", "b")


def _specification(variation):
    return Specification(profile="production", variation=variation, instance="try")


@pytest.mark.parametrize(
    "mistake",
    [
        CLEAN,
        setting(LOG_LEVEL="loud"),
        secret("api_key", None),
        secret_files("open", mode=0o644),
        certificate("expired"),
        edit("a line more", "deploy/profiles/production.toml", "a", "b"),
    ],
)
def test_settings_and_secrets_of_its_own_share_the_stores(mistake):
    assert may_join(_specification(STANDING + mistake), _specification(STANDING))
    assert may_join(_specification(mistake), _specification(CLEAN))


@pytest.mark.parametrize(
    "change",
    [
        edit("another migration", "panotti/storage/migrate.py", "a", "b"),
        edit("another topology", "deploy/compose.yaml", "a", "b"),
        container("root", user="0"),
        added("a file more", "x.py", "y"),
    ],
)
def test_other_code_or_containers_need_stores_of_their_own(change):
    assert not may_join(_specification(STANDING + change), _specification(STANDING))
    assert not may_join(
        _specification(STANDING + setting(LOG_LEVEL="loud") + change), _specification(STANDING)
    )


def test_what_stands_has_to_be_the_same_server():
    assert not may_join(_specification(setting(LOG_LEVEL="loud")), _specification(STANDING))
