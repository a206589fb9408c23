"""Another application, with none of the middleware: true failures, no error, nothing passed by mistake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import journal, places, watchdog
from harness.catalogue import load
from harness.journal import JournalView
from harness.judge import judge
from harness.runtimes import Specification
from harness.runtimes.external import KEY_VARIABLE
from harness.runtimes.factory import runtime_for
from harness.target import parse_target
from harness.verdict import Verdict
from harness.workspace import DIRECTORY_VARIABLE, Workspace

PLAIN = Path(__file__).parents[1] / "targets" / "plain"
CONTRACT = PLAIN / "contract.toml"
# The mark of a run that these would join; and what would measure the coverage of whole suites.
LEFT_OUT = {watchdog.RUN_VARIABLE, DIRECTORY_VARIABLE, "COVERAGE_PROCESS_CONFIG"}


def verify(directory: Path, *words: str, environment: dict[str, str] | None = None) -> JournalView:
    """Verify the production profile, which must close the gate; return the journal."""
    unmarked = {k: v for k, v in os.environ.items() if k not in LEFT_OUT}
    done = subprocess.run(
        [sys.executable, "-m", "harness", "verify", "-p", "production", "--journal", str(directory), *words],
        cwd=places.PROJECT,
        env={**unmarked, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return journal.read(directory)


def verdicts(view: JournalView) -> Counter[Verdict]:
    """Count the checks by verdict; an error is shown."""
    errors = [f"{f.check}: {f.message}" for f in view.findings if f.verdict is Verdict.ERROR]
    assert not errors
    return Counter(finding.verdict for finding in view.findings)


def passed(view: JournalView) -> set[str]:
    """Return the required controls that came to pass."""
    results = judge(view, load())
    return {result.control for result in results if result.required and result.verdict is Verdict.PASS}


@pytest.fixture
def address() -> Iterator[tuple[str, str]]:
    """The application up at a URL of this machine, and its key."""
    with Workspace.open() as space:
        runtime = runtime_for("process", parse_target(f"source:{PLAIN}"), space)
        deployment = runtime.start(Specification(profile="production"))
        yield deployment.base_url, deployment.api_key
        runtime.close()


def test_from_its_source_it_fails_what_it_lacks(tmp_path: Path) -> None:
    view = verify(tmp_path / "j", "--runtime", "process", "--target", f"source:{PLAIN}")

    counts = verdicts(view)
    assert counts[Verdict.FAIL] > 60
    assert not passed(view)


def test_at_its_url_it_fails_what_it_lacks(tmp_path: Path, address: tuple[str, str]) -> None:
    url, key = address

    view = verify(
        tmp_path / "j", "--target", url, "--contract", str(CONTRACT), environment={KEY_VARIABLE: key}
    )

    counts = verdicts(view)
    assert counts[Verdict.FAIL] > 20
    assert not passed(view)
    intrusive = [f for f in view.findings if "--intrusive" in f.message]
    assert intrusive, "what floods is left out without leave"
    assert {finding.verdict for finding in intrusive} == {Verdict.NOT_VERIFIED}


def test_the_catalogue_lists_checks_and_defects_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "catalogue", "--json", "-c", "middleware.cors.*"],
        cwd=places.PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 4
    assert all(check["defects"] for row in rows for check in row["checks"])
    assert all(row["checks"] for row in rows)
