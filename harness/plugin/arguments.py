"""The options that pytest and the `harness` program have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.costs import DEPTHS
from harness.options import Options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that the `harness` program has too."""
    group = parser.getgroup("compliance", "compliance suites")
    group.addoption(
        "--profile", action="append", default=[], metavar="NAME", help="verify this profile (repeatable)"
    )
    group.addoption("--runtime", metavar="NAME", help="containers, process or external")
    group.addoption("--target", default="reference", help="reference, image:NAME, source:FOLDER or a URL")
    group.addoption("--contract", metavar="FILE", help="where the target's capabilities are")
    group.addoption("--policy", metavar="FILE", help="what must hold, instead of the shipped policies")
    group.addoption("--waivers", metavar="FILE", help="accepted findings (default: waivers.toml)")
    group.addoption("--advisories", metavar="FILE", help="a snapshot of advisories, instead of asking online")
    group.addoption("--controls", action="append", default=[], metavar="GLOB", help="only these (repeatable)")
    group.addoption("--journal", metavar="DIR", help="where to write the journal, or which one to join")
    group.addoption(
        "--depth",
        choices=DEPTHS,
        help="gate: without what measures or rolls releases out (the default where nothing is chosen of the "
        "suites); full: everything",
    )
    group.addoption("--selftest", action="store_true", help="plant each check's defects: they must be caught")
    group.addoption("--due", metavar="FILE", help="the self-test tries only the defects that this file names")
    group.addoption(
        "--intrusive", action="store_true", help="give leave to flood, guess and break a URL target"
    )
    group.addoption(
        "--i-own-this-target", action="store_true", help="the URL target is yours, wherever it is"
    )


def options_of(config: pytest.Config, *, whole: bool) -> Options:
    """Return what the run was asked for; paths become absolute. whole: nothing is chosen of the suites."""
    selftest = config.getoption("selftest")
    return Options(
        profiles=tuple(config.getoption("profile")),
        runtime=config.getoption("runtime"),
        target=config.getoption("target"),
        contract=_path(config, "contract"),
        policy=_path(config, "policy"),
        waivers=_path(config, "waivers"),
        advisories=_path(config, "advisories"),
        controls=tuple(config.getoption("controls")),
        journal=_path(config, "journal"),
        selftest=selftest,
        depth=config.getoption("depth") or ("gate" if whole and not selftest else "full"),
        whole=whole and not selftest,
        suites=config.rootpath / "suites",
        due=_path(config, "due"),
        intrusive=config.getoption("intrusive"),
        own_target=config.getoption("i_own_this_target"),
    )


def _path(config: pytest.Config, name: str) -> Path | None:
    given = config.getoption(name)
    return Path(given).absolute() if given else None
