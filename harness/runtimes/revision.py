"""Which revision of the reference runs: the last commit that touched what it is made of."""

from __future__ import annotations

import subprocess
from functools import cache

from harness import places

UNKNOWN = "unknown"
_PARTS = ("panotti", "deploy", "requirements/server.txt")


@cache
def revision() -> str:
    """Return its hash, with `+changed` where files differ from it; `unknown` outside a Git checkout."""
    found = _git("log", "-1", "--format=%H", "--", *_PARTS)
    if not found:
        return UNKNOWN
    return f"{found}+changed" if _git("status", "--porcelain", "--", *_PARTS) else found


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(places.PROJECT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
