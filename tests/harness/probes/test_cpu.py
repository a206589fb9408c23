"""A container's counts, read on this machine where they stand in its file system, else in the container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.outcome import NotVerified
from harness.probes import cpu
from harness.probes.cpu import CpuMeter, CpuTime
from harness.runtimes import Completed

ID = "4f" * 32
FIRST = "nr_periods 21\nnr_throttled 4\nthrottled_time 9\n"
SECOND = "usage_usec 364349\nuser_usec 1\nnr_periods 21\nnr_throttled 4\n"
FOUND = CpuTime(periods=21, throttled=4, usage_s=0.364349)


class Part:
    """A container of process 77 that says something of its own group."""

    service = "app"

    def __init__(self, said: str = "") -> None:
        self.said = said
        self.asked = 0

    def attributes(self) -> dict[str, Any]:
        return {"Id": ID, "State": {"Pid": 77}}

    def execute(self, argv: object) -> Completed:
        self.asked += 1
        return Completed(status=0, stdout=self.said, stderr="")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cpu, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(cpu, "_ROOT", tmp_path / "cgroup")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def read(part: Part) -> CpuTime:
    return CpuMeter(part).read()  # type: ignore[arg-type]


def test_the_second_version_of_control_groups_has_all_in_one_file(machine: Path) -> None:
    write(machine / "proc/77/cgroup", f"0::/system.slice/docker-{ID}.scope\n")
    write(machine / f"cgroup/system.slice/docker-{ID}.scope/cpu.stat", SECOND)
    part = Part()

    assert (read(part), part.asked) == (FOUND, 0)


def test_the_first_version_has_a_folder_for_each_controller(machine: Path) -> None:
    write(machine / "proc/77/cgroup", f"2:cpuacct:/docker/{ID}\n1:cpu:/docker/{ID}\n0::/docker/{ID}\n")
    write(machine / f"cgroup/cpu/docker/{ID}/cpu.stat", FIRST)
    write(machine / f"cgroup/cpuacct/docker/{ID}/cpuacct.usage", "364349000\n")

    assert read(Part()) == FOUND


@pytest.mark.parametrize("said", [SECOND, f"{FIRST}364349000\n"])
def test_a_container_elsewhere_is_asked_itself(machine: Path, said: str) -> None:
    write(machine / "proc/77/cgroup", "0::/user.slice\n")  # another process of that number
    part = Part(said)

    assert (read(part), part.asked) == (FOUND, 1)


def test_a_kernel_that_tells_nothing_is_not_verified(machine: Path) -> None:
    with pytest.raises(NotVerified, match="control group of app tells no processor time"):
        read(Part("nr_periods 3\n"))
