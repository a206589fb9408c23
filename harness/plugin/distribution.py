"""How checks are spread over the workers of pytest-xdist."""

from __future__ import annotations

import os
from typing import Any

import pytest

from harness import places

# Each brings deployments up for itself, and what it tries keeps a processor busy most of the time.
WORKERS = max(2, os.cpu_count() or 1)


def distribute(config: pytest.Config, *, whole: bool) -> None:
    """Run the whole suites in several workers, where nothing else was asked for."""
    if hasattr(config, "workerinput"):
        return
    asked = config.getoption("numprocesses", None) is not None or config.getoption("dist", "no") != "no"
    if whole and not asked and not config.getoption("collectonly") and not config.getoption("usepdb"):
        config.option.tx = ["popen"] * WORKERS
        config.option.dist = "load"
    os.environ.pop(places.NOT_COMPILED, None)  # of the workers to come


def is_controller(config: pytest.Config) -> bool:
    """Whether this process only hands items out."""
    return not hasattr(config, "workerinput") and str(config.getoption("dist", "no")) != "no"


def first_worker(config: pytest.Config) -> bool:
    """Whether this process is the one that speaks for all."""
    return bool(worker_input(config).get("workerid", "gw0") == "gw0")


def worker_input(config: pytest.Config) -> dict[str, Any]:
    """Return what the controller told this worker; nothing where this process is no worker."""
    told: dict[str, Any] = getattr(config, "workerinput", {})
    return told
