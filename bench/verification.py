"""How long a verification takes, and how much of that is the harness's own. Each figure beside its bound.

    python -m bench.verification

Every command is run whole, as a user runs it, warm: the images are there after a first, uncounted run.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from math import fsum
from pathlib import Path

from harness import journal
from harness.profiles import PROFILES
from harness.records import Finding
from harness.runtimes.engine import docker_answers

PRODUCTION_S, PROCESS_S, TOGETHER, OVERHEAD = 60.0, 20.0, 2.2, 0.15
DECIDED = {0, 1, 2}


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
    """Measure each profile alone, then all of them side by side."""
    run(folder / "cold", "--profile", "production", "--controls", "monitoring.health.service")
    alone = {name: run(folder / name / "alone", "--profile", name) for name in PROFILES}
    show("pytest suites --profile production", alone["production"], "s", PRODUCTION_S)
    together = verify(folder / "together")
    slowest = max(alone.values())
    show(
        f"all four side by side ({together:.1f} s) over the slowest ({slowest:.1f} s)",
        together / slowest,
        "",
        TOGETHER,
    )
    share = own_share(journal.read(folder / "production" / "alone").findings)
    show("the harness's own share of the wall time, production", share, "", OVERHEAD)


def run(directory: Path, *arguments: str) -> float:
    """Return the wall seconds of one pytest run that came to a decision."""
    return timed(sys.executable, "-m", "pytest", "suites", "-q", "--journal", str(directory), *arguments)


def verify(directory: Path) -> float:
    """Return the wall seconds of `harness verify`."""
    return timed(sys.executable, "-m", "harness", "verify", "--journal", str(directory))


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


def own_share(findings: tuple[Finding, ...]) -> float:
    """Return what part of the wall time was neither deployment, nor demanded wait, nor the target's own."""
    timings = [finding.timing for finding in findings]
    wall = fsum(t.wall_s for t in timings)
    accounted = fsum(t.deployment_s + t.demanded_s + t.target_s for t in timings)
    return max(wall - accounted, 0.0) / wall if wall else 0.0


def show(what: str, value: float, unit: str, bound: float) -> None:
    """Print a figure, its bound, and their ratio."""
    print(f"{what}: {value:.2f} {unit} ({value / bound:.2f} of {bound:g} {unit})".replace("  ", " "))  # noqa: T201


if __name__ == "__main__":
    main()
