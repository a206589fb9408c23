"""How checks are spread over the workers of pytest-xdist.

Checks of a changed deployment stay in one worker. A profile's own deployment is cheap beside what many of its
checks wait for, so each worker has one of its own.
"""

from __future__ import annotations

import pytest

WORKERS = 2


def distribute(config: pytest.Config, *, whole: bool) -> None:
    """Keep groups together; run a whole profile in two workers where nothing else was asked for.

    Half of a profile's time is waiting that controls demand, which two workers do at the same time.
    """
    if hasattr(config, "workerinput"):
        return
    asked = config.getoption("numprocesses", None) is not None or config.getoption("dist", "no") != "no"
    if whole and not asked and not config.getoption("collectonly") and not config.getoption("usepdb"):
        config.option.tx = ["popen"] * WORKERS
        config.option.dist = "loadgroup"
    elif config.getoption("dist", "no") == "load":
        config.option.dist = "loadgroup"


def is_controller(config: pytest.Config) -> bool:
    """Whether this process only hands items out."""
    return not hasattr(config, "workerinput") and str(config.getoption("dist", "no")) != "no"


def first_worker(config: pytest.Config) -> bool:
    """Whether this process is the one that speaks for all."""
    return bool(getattr(config, "workerinput", {}).get("workerid", "gw0") == "gw0")


def keep_together(item: pytest.Item, group: str) -> None:
    """Give an item the group by which xdist's `loadgroup` keeps items in one worker.

    xdist 3.8 appends it to `_nodeid`, which pytest 9.2 no longer reads: its ids are records.
    """
    item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(item.config, "workerinput"):
        item._id = type(item.id).parse(f"{item.nodeid}@{group}")  # noqa: SLF001
