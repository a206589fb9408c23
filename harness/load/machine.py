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
        free, _, passed = self._since()
        return free / passed if passed else 1.0

    @property
    def stolen(self) -> float:
        """The share that the hypervisor has given to other machines so far."""
        _, stolen, passed = self._since()
        return stolen / passed if passed else 0.0

    def _since(self) -> tuple[int, int, int]:
        free, stolen, passed = (now - then for now, then in zip(_ticks(), self._before, strict=True))
        return free, stolen, passed


def _ticks() -> tuple[int, int, int]:
    """Return idle, stolen and all ticks of the processors since the machine's start."""
    fields = [int(word) for word in _STAT.read_text().splitlines()[0].split()[1:9]]
    return fields[3] + fields[4], fields[7], sum(fields)
