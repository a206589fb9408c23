"""Who may read a folder that is mounted into a container."""

from __future__ import annotations

import os
from pathlib import Path

from harness.runtimes.hardening import Hardening


def open_to_all(folder: Path) -> None:
    """Let everybody read a folder of nothing secret."""
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o444)


def folder_for_all(folder: Path) -> None:
    """Make a folder that everybody may enter and list, whatever this user's umask takes away."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def readable_to_all(folder: Path) -> None:
    """Let everybody read a folder and all below it, and run what its owner may run."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


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
