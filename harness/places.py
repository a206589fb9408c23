"""Where things stand: the project, and what is generated below it."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
BUILD = PROJECT / "build"
CONTRACT = PROJECT / "deploy" / "contract.toml"
SETTINGS = PROJECT / "deploy" / "profiles"
DEPLOY = PROJECT / "deploy"
DOCKERFILE = DEPLOY / "Dockerfile"
REQUIREMENTS = PROJECT / "requirements" / "server.txt"
PACKAGE = PROJECT / "panotti"
