"""Turns: together with others, or alone; between threads as between processes, since each opens the file."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from harness.turns import alone, together

WAIT_S = 10
HOLDS = """
import sys
from pathlib import Path
from harness.turns import together
with together(Path(sys.argv[1]), "checks"):
    print("held", flush=True)
    sys.stdin.read()
"""


def in_background(root: Path, entered: threading.Event, leave: threading.Event) -> threading.Thread:
    def measure() -> None:
        with alone(root):
            entered.set()
            leave.wait(WAIT_S)

    thread = threading.Thread(target=measure)
    thread.start()
    return thread


def test_checks_go_on_beside_checks_and_starts(tmp_path: Path) -> None:
    with together(tmp_path, "checks"), together(tmp_path, "checks"), together(tmp_path, "starts"):
        pass


def test_alone_waits_for_those_who_are_in(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    leave.set()
    with together(tmp_path, "checks"):
        thread = in_background(tmp_path, entered, leave)
        assert not entered.wait(0.1)
    assert entered.wait(WAIT_S)
    thread.join()


def test_alone_waits_for_starts_too(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    leave.set()
    with together(tmp_path, "starts"):
        thread = in_background(tmp_path, entered, leave)
        assert not entered.wait(0.1)
    assert entered.wait(WAIT_S)
    thread.join()


def test_nobody_comes_in_while_one_is_alone(tmp_path: Path) -> None:
    entered, leave, came = threading.Event(), threading.Event(), threading.Event()
    thread = in_background(tmp_path, entered, leave)
    assert entered.wait(WAIT_S)

    def check() -> None:
        with together(tmp_path, "checks"):
            came.set()

    other = threading.Thread(target=check)
    other.start()
    assert not came.wait(0.1)
    leave.set()
    assert came.wait(WAIT_S)
    other.join()
    thread.join()


def test_a_turn_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    with alone(tmp_path):
        pass
