"""How long and how large a report of 10,000 findings is. Prints each figure beside its bound.

    python -m bench.report [FINDINGS]

The report is made in a process of its own, from a journal on disk, as `harness report` makes it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from harness import journal
from reports import write_all
from reports.writing import FORMATS
from tests.reports import sample

CELLS = 29 * 4  # controls with checks, times profiles
SECONDS, MEGABYTES, PAGE_BYTES = 3.0, 300.0, 2_000_000


def main(findings: int) -> None:
    """Write the journals, measure each report, print the figures."""
    with tempfile.TemporaryDirectory() as scratch:
        for title, checks in (("one normal run", 0), (f"{findings:,} findings", -(-findings // CELLS))):
            directory = Path(scratch) / str(checks)
            _journal(directory / "journal", checks)
            report = subprocess.run(  # noqa: S603  this very file
                [sys.executable, "-m", "bench.report", "measure", str(directory)],
                check=True,
                capture_output=True,
                text=True,
            )
            wall, processor, memory = map(float, report.stdout.split())
            _print(title, directory, wall, processor, memory)


def measure(directory: Path) -> None:
    """Make the report and print its wall seconds, processor seconds and peak memory in MB."""
    started = time.perf_counter()
    write_all(directory / "journal", tuple(FORMATS), directory / "out")
    wall = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(wall, time.process_time(), peak)  # noqa: T201


def _journal(directory: Path, checks: int) -> None:
    view = sample.view(checks)
    with patch.object(os, "fsync"):  # writing it is not what is measured
        writer = journal.create(directory, view.run)
        for record in sample.records(view):
            writer.write(record)
        writer.end()


def _print(title: str, directory: Path, wall: float, processor: float, memory: float) -> None:
    size = sum(path.stat().st_size for path in (directory / "journal").iterdir())
    page = (directory / "out" / "report.html").stat().st_size
    lines = (
        f"{title}, journal of {size / 1e6:.1f} MB",
        f"  wall       {wall:8.2f} s   {wall / SECONDS:5.2f} of {SECONDS:.0f} s",
        f"  processor  {processor:8.2f} s   {processor / SECONDS:5.2f} of {SECONDS:.0f} s",
        f"  memory     {memory:8.0f} MB  {memory / MEGABYTES:5.2f} of {MEGABYTES:.0f} MB",
        f"  page       {page / 1e6:8.2f} MB  {page / PAGE_BYTES:5.2f} of {PAGE_BYTES / 1e6:.0f} MB",
    )
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 10_000)
