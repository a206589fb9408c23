"""Turns the compliance plugin on; nothing else."""

from __future__ import annotations

pytest_plugins = ["harness.plugin"]
