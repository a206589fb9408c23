"""Slots for starts: so many at once and no more, over all processes, and none lost with its holder."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness.runtimes.slots import slot

HOLD = """
import sys
from pathlib import Path
from harness.runtimes.slots import slot

with slot(Path(sys.argv[1]), 1):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_so_many_at_once_and_no_more(tmp_path: Path) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(2)

    def start(_: int) -> None:
        nonlocal inside, most
        with slot(tmp_path, 2):
            with lock:
                inside += 1
                most = max(most, inside)
            together.wait(10)  # two are inside, or this breaks
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(start, range(8)))

    assert most == 2


def test_the_slot_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    taken = threading.Event()

    def take() -> None:
        with slot(tmp_path, 1):
            taken.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not taken.wait(0.2)

    os.kill(holder.pid, 9)
    holder.communicate()

    assert taken.wait(10)
    waiting.join()
