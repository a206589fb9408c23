"""How long a verification takes, where its time goes, and how much memory it needs. Each beside its bound.

    python -m bench.verification

Every command is run whole, as a user runs it, warm: the images are there after a first, uncounted run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import fsum
from pathlib import Path

from harness import journal
from harness.records import Finding
from harness.runtimes.engine import docker_answers
from harness.summary import footer

GATE_S, PROCESS_S, FULL_S, OVERHEAD, MEMORY_GIB = 60.0, 20.0, 420.0, 0.15, 8.0
DECIDED = {0, 1, 2}
_LOOK_S = 0.5


def main() -> None:
    """Run the commands and print the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        seconds = run(folder / "testing", "--profile", "testing", "--runtime", "process")
        show("pytest suites --runtime process --profile testing", seconds, "s", PROCESS_S)
        if not docker_answers():
            print("Docker does not answer: the rest is not measured")  # noqa: T201
            return
        containers(folder)


def containers(folder: Path) -> None:
    """Measure the gate of one profile, and all of them at full depth."""
    run(folder / "cold", "--profile", "production", "--controls", "monitoring.health.service")
    show("pytest suites --profile production", run(folder / "gate", "--profile", "production"), "s", GATE_S)
    explain(folder / "gate")
    with peak_memory() as gib:
        seconds = verify(folder / "full", folder / "reports")
    show("harness verify --report", seconds, "s", FULL_S)
    explain(folder / "full")
    show("memory at its peak", max(gib), "GiB", MEMORY_GIB)
    share = own_share(journal.read(folder / "full").findings)
    show("the harness's own share of the time of all checks", share, "", OVERHEAD)


def run(directory: Path, *arguments: str) -> float:
    """Return the wall seconds of one pytest run that came to a decision."""
    return timed(sys.executable, "-m", "pytest", "suites", "-q", "--journal", str(directory), *arguments)


def verify(directory: Path, reports: Path) -> float:
    """Return the wall seconds of `harness verify --report`."""
    arguments = ("--journal", str(directory), "--report", "--out", str(reports))
    return timed(sys.executable, "-m", "harness", "verify", *arguments)


def timed(*command: str) -> float:
    """Return a command's wall seconds. Exits when it did not run."""
    began = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
    seconds = time.perf_counter() - began
    if done.returncode not in DECIDED:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return seconds


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Yield a list whose highest is, after the block, the GiB that it took at most beside what was taken."""
    before, seen, over = available(), [0.0], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            seen.append((before - available()) / 2**20)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def available() -> int:
    """Return the KiB of memory that programs can have without swapping, as the kernel reckons."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))


def own_share(findings: tuple[Finding, ...]) -> float:
    """Return what part of the wall time was neither deployment, nor demanded wait, nor the target's own."""
    timings = [finding.timing for finding in findings]
    wall = fsum(t.wall_s for t in timings)
    accounted = fsum(t.deployment_s + t.demanded_s + t.target_s for t in timings)
    return max(wall - accounted, 0.0) / wall if wall else 0.0


def explain(directory: Path) -> None:
    """Print where the time of a run went."""
    for part in footer(journal.read(directory)):
        print(f"  {part}")  # noqa: T201


def show(what: str, value: float, unit: str, bound: float) -> None:
    """Print a figure, its bound, and their ratio."""
    print(f"{what}: {value:.2f} {unit} ({value / bound:.2f} of {bound:g} {unit})".replace("  ", " "))  # noqa: T201


if __name__ == "__main__":
    main()
