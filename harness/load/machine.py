"""How much of this machine was left over while something was measured on it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_STAT: Final = Path("/proc/stat")


class Processors:
    """All processors' time from its making on."""

    def __init__(self) -> None:
        self._before = _ticks()

    @property
    def idle(self) -> float:
        """The share that nobody has used so far."""
        free, passed = (now - then for now, then in zip(_ticks(), self._before, strict=True))
        return free / passed if passed else 1.0


def _ticks() -> tuple[int, int]:
    """Return idle and all ticks of the processors since the machine's start."""
    fields = [int(word) for word in _STAT.read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], sum(fields)
