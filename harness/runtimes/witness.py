"""The witness beside a deployment: a responder with next to no work, as a process of this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import ProbeFailed
from harness.load.order import Witness
from harness.runtimes import responder
from harness.runtimes.hardening import LOOPBACK


@contextmanager
def local_witness(why: str = "") -> Iterator[Witness]:
    """Have a responder as a process. why: it does not stand in the target's network. Raises `ProbeFailed`."""
    folder = Path(tempfile.mkdtemp(prefix="witness-"))
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", responder.__file__, f"{LOOPBACK}:0", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise ProbeFailed("the witness beside the target did not start")
        (port,) = json.loads(line)
        how = f"a process of this machine{why and f' ({why})'}"
        yield Witness(base_url=f"http://{LOOPBACK}:{port}", host=LOOPBACK, how=how)
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)
