"""Which schema an image knows, kept between runs by the image's id: what has one id never changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import places


def schema_of(image: str, command: Sequence[str], ask: Callable[[], str]) -> str:
    """Return what `ask` answers, which runs `command` in an image, or has answered before.

    image: its full id. An answer that cannot be kept is asked for again.
    """
    path = _path(image, command)
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        answer = ask()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(answer, encoding="utf-8")
        fresh.replace(path)
    except OSError:
        pass
    return answer


def _path(image: str, command: Sequence[str]) -> Path:
    digest = hashlib.sha256(repr((image, [*command])).encode()).hexdigest()
    return places.BUILD / "schemas" / f"{digest}.txt"
