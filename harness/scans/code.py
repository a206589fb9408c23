"""bandit on Python source: which files it read, and what it found in them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, cast

from harness.scans import Hit, Scan, Severity, fingerprint

TOOL: Final = "bandit"
_SCAN_S: Final = 60.0
_PLANTED: Final = "planted-for-the-scanner.py"
_PLANTED_CODE: Final = "import subprocess\nsubprocess.call(input(), shell=True)\n"
_PLANTED_RULE: Final = "B602"
_COMPILED: Final = (*BYTECODE_SUFFIXES, *EXTENSION_SUFFIXES)


def scan_code(files: Mapping[str, bytes], workspace: Path, *, rules: str = "") -> Scan:
    """Scan the Python files among `files` (by path) from a copy below `workspace`.

    rules: only these of bandit's. Comments that silence it (`nosec`) are not heard: what is accepted stands
    in the triage file, with a reason.
    """
    sources = {path: content for path, content in files.items() if path.endswith(".py")}
    root = workspace / "code"
    for path, content in (*sources.items(), (_PLANTED, _PLANTED_CODE.encode())):
        copy = root / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    found, problems = _run(root, rules)
    read = set(found.get("metrics", ())) - {"_totals"}
    hits = [_hit(item, sources) for item in found.get("results", ())]
    missed = [*problems, *(f"{item['filename']}: {item['reason']}" for item in found.get("errors", ()))]
    if not any(hit.place == _PLANTED and hit.rule == _PLANTED_RULE for hit in hits):
        missed.insert(0, "it did not see the insecure call planted for it")
    missed += [
        f"{path}: bandit did not read it" for path in sorted(sources) if path not in read and not problems
    ]
    missed += [f"{path}: compiled, without source" for path in sorted(files) if path.endswith(_COMPILED)]
    return Scan(
        tool=TOOL,
        version=version(TOOL),
        hits=tuple(hit for hit in hits if hit.place != _PLANTED),
        scanned={"files": len(sources), "lines": sum(text.count(b"\n") for text in sources.values())},
        missed=tuple(dict.fromkeys(missed)),
    )


def _run(root: Path, rules: str) -> tuple[dict[str, Any], list[str]]:
    command = [
        sys.executable,
        "-m",
        "bandit",
        "--quiet",
        "--recursive",
        ".",
        "--format",
        "json",
        "--ignore-nosec",
    ]
    # bandit leaves out what looks like an environment or a test by its name; here everything is deployed.
    command += ["--exclude", "", *(("--tests", rules) if rules else ())]
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=root, capture_output=True, text=True, timeout=_SCAN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return {}, [f"bandit did not end within {_SCAN_S:g} s"]
    try:
        found = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {}, [f"bandit broke off with status {done.returncode}: {last[:300]}"]
    for item in (*found.get("results", ()), *found.get("errors", ())):
        item["filename"] = item["filename"].removeprefix("./")
    found["metrics"] = {name.removeprefix("./"): value for name, value in found.get("metrics", {}).items()}
    return cast("dict[str, Any]", found), []


def _hit(item: Mapping[str, Any], sources: Mapping[str, bytes]) -> Hit:
    place, line = str(item["filename"]), int(item["line_number"])
    lines = sources.get(place, b"").decode(errors="replace").splitlines()
    last = max(item.get("line_range") or [line])
    looks = " ".join(lines[line - 1 : last])
    weakness = item.get("issue_cwe") or {}
    return Hit(
        tool=TOOL,
        rule=str(item["test_id"]),
        cwe=f"CWE-{weakness['id']}" if weakness.get("id") else "",
        severity=cast("Severity", str(item["issue_severity"]).lower()),
        place=place,
        line=line,
        text=str(item["issue_text"]).split("\n", 1)[0],
        fingerprint=fingerprint(TOOL, str(item["test_id"]), place, looks),
    )
