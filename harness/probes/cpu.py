"""What a container's control group counts: processor time, and how often its quota was used up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.evidence import waiting_for_target
from harness.outcome import NotVerified
from harness.runtimes.part import Part

_PROC: Final = Path("/proc")
_ROOT: Final = Path("/sys/fs/cgroup")
# The second version of control groups has the first file alone, with all of it.
_NAMES: Final = ("cpu.stat", "cpuacct.usage")
_INSIDE: Final = f"cat {_ROOT}/cpu.stat 2>/dev/null || cat {_ROOT}/cpu/cpu.stat {_ROOT}/cpuacct/cpuacct.usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTime:
    """Since a container's start. throttled: of its scheduling periods, those whose quota was used up."""

    periods: int
    throttled: int
    usage_s: float


class CpuMeter:
    """Reads one container's counts.

    From this machine's file system, where they stand in it: a command in the container would use the quota
    that is measured. Else, where Docker runs elsewhere, by such a command.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._files = tuple(_files(part))

    def read(self) -> CpuTime:
        """Return what it has counted by now. Raises NotVerified where the kernel does not tell."""
        with waiting_for_target():
            text = "".join(map(Path.read_text, self._files)) or self._inside()
        counts = dict(_counts(text))
        if "usage" not in counts:
            raise NotVerified(f"the control group of {self._part.service} tells no processor time")
        return CpuTime(
            periods=counts.get("nr_periods", 0),
            throttled=counts.get("nr_throttled", 0),
            usage_s=counts["usage"] / 1e9,
        )

    def _inside(self) -> str:
        return self._part.execute(("bash", "-c", _INSIDE)).stdout


def _files(part: Part) -> Iterator[Path]:
    found = part.attributes()
    try:
        lines = (_PROC / str(found["State"]["Pid"]) / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        # Another machine's process of that number is in no group of this container's.
        if str(found["Id"]) in path:
            folder = _ROOT / controllers / path.lstrip("/")
            yield from (folder / name for name in _NAMES if (folder / name).is_file())


def _counts(text: str) -> Iterator[tuple[str, int]]:
    """Numbers by name; `usage` in nanoseconds, which the first version of control groups writes alone."""
    for line in text.splitlines():
        match line.split():
            case ["usage_usec", value]:
                yield "usage", int(value) * 1000
            case [name, value]:
                yield name, int(value)
            case [value]:
                yield "usage", int(value)
