"""Who may read a folder that is mounted into a container."""

from __future__ import annotations

import os
from pathlib import Path

from harness.runtimes.hardening import Hardening


def open_to_all(folder: Path) -> None:
    """Let everybody read a folder of nothing secret."""
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o444)


def hand_over(folder: Path, hardening: Hardening) -> None:
    """Let the container's user read a folder of secrets, and as few others as this user may arrange."""
    if os.geteuid() == 0 and hardening.owner:
        for path in (folder, *folder.iterdir()):
            os.chown(path, *hardening.owner)
    elif hardening.owner:
        hardening.options["group_add"] = [os.getegid()]
        for path in (folder, *folder.iterdir()):
            path.chmod(0o750 if path.is_dir() else 0o440)
    else:
        # A user known by name only: the run's directory above keeps everybody else on this machine out.
        open_to_all(folder)
