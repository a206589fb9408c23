"""Which modules a fork server loads: those that the target's package loads, itself left out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

from harness import places
from harness.runtimes.forkserver.client import CannotFork
from harness.runtimes.interpreter import locked

_PROGRAM = Path(__file__).parent / "list_modules.py"
_WITHIN_S = 60.0


def modules_of(package: Path, python: str, requirements: Path) -> tuple[str, ...]:
    """Return their names, found anew where interpreter, package or requirements changed.

    They are found by loading the package in a process that ends afterwards. So the fork server loads them for
    themselves, and they hold nothing that the package has put into them. Raises `CannotFork`.
    """
    digest = _digest(package, python, requirements)
    file = places.BUILD / "preload" / f"{package.name}.json"
    with locked("preload"):
        if file.is_file():
            kept = json.loads(file.read_text(encoding="utf-8"))
            if kept["of"] == digest:
                return tuple(kept["modules"])
        names = _listed(package, python)
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".part")
        fresh.write_text(json.dumps({"of": digest, "modules": names}), encoding="utf-8")
        fresh.replace(file)
    return tuple(names)


def _digest(package: Path, python: str, requirements: Path) -> str:
    found = hashlib.sha256(f"{python}={os.path.realpath(python)}".encode())
    for path in (_PROGRAM, requirements, *sorted(package.rglob("*.py"))):
        found.update(f"{path}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def _listed(package: Path, python: str) -> list[str]:
    try:
        done = subprocess.run(  # noqa: S603
            [python, str(_PROGRAM), package.name],
            env={"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONPATH": str(package.parent)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as cause:
        raise CannotFork(f"the modules of {package.name} cannot be listed: {cause}") from None
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise CannotFork(f"the modules of {package.name} cannot be listed: {last}")
    return done.stdout.split()
