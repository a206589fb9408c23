"""The base image: the local one, else pulled where a registry answers, else made of Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import RuntimeUnavailable
from harness.journal import now
from harness.records import Event
from harness.runtimes.engine import Engine
from harness.runtimes.interpreter import locked
from harness.workspace import Workspace

BASE = "panotti-base:bookworm"
UPSTREAM = "debian:bookworm-slim"
RELEASE = "bookworm"
_PACKAGES = "ca-certificates,python3"
_SILENCE_S = 5.0
_LAST_LINES = 15
_APT = Path("/etc/apt")


def base_image(engine: Engine, workspace: Workspace, progress: Callable[[Event], None]) -> str:
    """Return the base image's name, having made it where it was missing. Raises `RuntimeUnavailable`."""
    if engine.image_id(BASE) is None:
        with locked("base"):
            if engine.image_id(BASE) is None:
                began = time.monotonic()
                how = _obtain(engine, workspace)
                seconds = time.monotonic() - began
                progress(Event(name="image.base", seconds=seconds, detail={"how": how}, at=now()))
    return BASE


def _obtain(engine: Engine, workspace: Workspace) -> str:
    if engine.pull(UPSTREAM, silence_s=_SILENCE_S):
        engine.tag(UPSTREAM, BASE)
        return f"pulled {UPSTREAM}"
    tool = _bootstrap_tool()
    folder = workspace.folder("base")
    archive = folder / "root.tar"
    command = [
        *(tool, "--variant=minbase", f"--include={_PACKAGES}"),
        *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"),
        *("--dpkgopt=path-exclude=/usr/share/locale/*", RELEASE, str(archive), *host_sources()),
    ]
    _run(command, "making the base image of Debian's packages", {"TMPDIR": str(folder)})
    engine.load_root(archive, BASE)
    shutil.rmtree(folder)
    return "made of Debian's packages"


def _bootstrap_tool() -> str:
    """Return mmdebstrap, having installed it where this is root on a Debian system."""
    found = shutil.which("mmdebstrap")
    if found:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise RuntimeUnavailable(
            f"no registry answers for {UPSTREAM}, and mmdebstrap, which would make it, is not installed",
            remedy="Run `apt-get install mmdebstrap` as root, or `docker pull` where a registry answers.",
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    _run([apt, "update", "-qq"], "apt-get update", quiet)
    _run([apt, "install", "-qq", "--yes", "mmdebstrap"], "installing mmdebstrap", quiet)
    return shutil.which("mmdebstrap") or "mmdebstrap"


def host_sources(folder: Path = _APT) -> list[str]:
    """Return the host's own archive lines for this release, so that its mirrors are used."""
    lines: list[str] = []
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        if path.suffix in {".list", ".sources"} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            lines += _from_stanzas(text) if path.suffix == ".sources" else _from_lines(text.splitlines())
    return lines


def _from_lines(lines: Iterable[str]) -> list[str]:
    """One-line style: deb [options] URI suite component..."""
    found = []
    for line in lines:
        words = re.sub(r"\[[^]]*\]", "", line).split()
        if words[:1] == ["deb"] and len(words) >= 4 and _ours(words[2]):
            found.append(f"deb {words[1]} {words[2]} main")
    return found


def _from_stanzas(text: str) -> list[str]:
    """deb822 style: stanzas of fields, lists separated by blanks."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = {key.strip().lower(): value.split() for key, _, value in (x.partition(":") for x in lines)}
        if "deb" in fields.get("types", []):
            found += [
                f"deb {uri} {suite} main"
                for uri in fields.get("uris", [])
                for suite in fields.get("suites", [])
                if _ours(suite)
            ]
    return found


def _ours(suite: str) -> bool:
    return suite in {RELEASE, f"{RELEASE}-updates", f"{RELEASE}-security"}


def _run(command: list[str], what: str, environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
    )
    if done.returncode != 0:
        shown = "\n".join(f"  | {line}" for line in done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise RuntimeUnavailable(
            f"{what} failed:\n{shown}",
            remedy="Check Debian's archive (apt's sources), the disk's space, and the rights of this user.",
        )
