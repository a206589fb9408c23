"""Small programs that run where the server runs, by its own interpreter. Standard library only."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ProbeFailed
from harness.evidence import waiting_for_target
from harness.outcome import NotVerified
from harness.runtimes import CannotShow, Deployment

MISSING = 3  # exit status of a program that did not find its file


def run_inside(
    deployment: Deployment, program: str, *arguments: str, stdin: str = "", timeout_s: float = 10.0
) -> str:
    """Run one of these programs in the deployment and return what it printed.

    Raises NotVerified where the runtime cannot run commands or the file is not there, ProbeFailed when it
    fails.
    """
    source = (Path(__file__).parent / f"{program}.py").read_text(encoding="utf-8")
    try:
        with waiting_for_target():
            done = deployment.execute(["python", "-c", source, *arguments], stdin=stdin, timeout_s=timeout_s)
    except CannotShow as cause:
        raise NotVerified(str(cause)) from None
    if done.status == MISSING:
        raise NotVerified(f"the target has no file {done.stderr.strip()}")
    if done.status != 0:
        raise ProbeFailed(
            f"{program} inside the deployment ended with {done.status}: {done.stderr[-400:].strip()}"
        )
    return done.stdout
