"""Where things stand: the project, and what is generated below it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
CONTRACT = PROJECT / "deploy" / "contract.toml"
SETTINGS = PROJECT / "deploy" / "profiles"
DEPLOY = PROJECT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
REQUIREMENTS = PROJECT / "requirements" / "server.txt"
PACKAGE = PROJECT / "panotti"
NOT_COMPILED = "PYTHONDONTWRITEBYTECODE"


def compiling(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python keeps what it compiles: else each worker compiles all modules."""
    return {name: value for name, value in environment.items() if name != NOT_COMPILED}


SUITES = PROJECT / "suites"
