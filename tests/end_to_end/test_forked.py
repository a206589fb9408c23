"""Checks and their defects tried on servers that are forked, and on servers that are programs of their own.

One group of controls by default; all of them, which takes twice a whole self-test on local processes:

    FORKED_CONTROLS='*' .venv/bin/pytest tests/end_to_end/test_forked.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from harness import journal, places, watchdog
from harness.journal import JournalView
from harness.runtimes.process import NO_FORK
from harness.verdict import Verdict
from harness.workspace import DIRECTORY_VARIABLE

CONTROLS = os.environ.get("FORKED_CONTROLS", "deployment.environments.testing").split()
# The mark of a run that these would join; and what would measure the coverage of whole suites.
LEFT_OUT = {watchdog.RUN_VARIABLE, DIRECTORY_VARIABLE, "COVERAGE_PROCESS_CONFIG", NO_FORK}


def tried(directory: Path, environment: dict[str, str]) -> JournalView:
    """Try the controls and their defects; return the journal."""
    unmarked = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    chosen = [word for control in CONTROLS for word in ("--controls", control)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "suites", "-q", "-n", "2"),
            *("--selftest", "--runtime", "process", "--journal", str(directory), *chosen),
        ],
        cwd=places.PROJECT,
        env={**unmarked, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (directory / journal.HEAD).is_file(), done.stdout + done.stderr
    return journal.read(directory)


def verdicts(view: JournalView) -> dict[tuple[str, str, str], tuple[Verdict, str]]:
    """Return each check's verdict by check, profile and defect, with the claim that failed."""
    return {
        (one.check, one.profile, one.defect_key): (one.verdict, one.message.partition("\n")[0])
        for one in view.findings
    }


def starts(view: JournalView) -> Counter[object]:
    """Count the deployments by how they were started."""
    return Counter(event.detail["start"] for event in view.events if event.name == "deployment.ready")


def test_every_check_comes_to_the_same_on_a_forked_server(tmp_path: Path) -> None:
    forked, programs = tried(tmp_path / "forked", {}), tried(tmp_path / "programs", {NO_FORK: "1"})

    assert starts(forked)["forked"] > 0
    assert set(starts(programs)) == {"program"}
    here, there = verdicts(forked), verdicts(programs)
    assert here.keys() == there.keys()
    differing = {check: (here[check], there[check]) for check in here if here[check][0] != there[check][0]}
    assert not differing
    assert Verdict.PASS in {verdict for verdict, _ in here.values()}
