"""`harness doctor`: what this machine can do, what that opens, and what to do about the rest."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from harness import places
from harness.errors import RuntimeUnavailable
from harness.ledger import loading
from harness.probes.browser import PROGRAMS
from harness.runtimes.base import BASE, UPSTREAM
from harness.runtimes.engine import Engine
from harness.runtimes.interpreter import reference_interpreter
from harness.scans.advisories import SHIPPED, read_snapshot
from harness.scans.service import ONLINE, answers

_GIB = 1 << 30
_MEMORY_GIB = 3
_DISK_GIB = 3
_REGISTRY_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One thing a machine has or lacks. opens: what needs it. remedy: what to do where it is missing."""

    name: str
    there: bool
    found: str
    opens: str
    remedy: str = ""


def doctor(console: Console) -> int:
    """Print what this machine can do; return 0 when at least one runtime brings the reference up, else 2."""
    abilities = tuple(_abilities())
    table = Table(title="What this machine can do", title_justify="left")
    for name in ("", "found", "opens", "what to do"):
        table.add_column(name, overflow="fold")
    for ability in abilities:
        mark = Text(f"✓ {ability.name}", "green") if ability.there else Text(f"✗ {ability.name}", "yellow")
        table.add_row(
            mark, escape(ability.found), ability.opens, "" if ability.there else escape(ability.remedy)
        )
    console.print(table)
    runtimes = [name for name, needed in _RUNTIMES.items() if _has(abilities, needed)]
    if not runtimes:
        console.print(
            "No runtime can bring the reference up here; a server that is up can be verified by its URL."
        )
        return 2
    console.print(f"Runtimes: {', '.join(runtimes)}, and external for a server that is up already.")
    return 0


_RUNTIMES = {"containers": ("Docker", "base image"), "process": ("server packages", "loopback")}


def _has(abilities: tuple[Ability, ...], names: tuple[str, ...]) -> bool:
    return all(ability.there for ability in abilities if ability.name in names)


def _abilities() -> Iterator[Ability]:
    yield Ability(
        name="Python",
        there=sys.version_info >= (3, 11),
        found=sys.version.split()[0],
        opens="everything",
        remedy="Install Python 3.11 or newer.",
    )
    yield _packages()
    yield from _docker()
    yield _browser()
    yield _memory()
    yield _disk()
    yield _loopback()
    yield _advisories()
    yield _proofs()


def _packages() -> Ability:
    try:
        reference_interpreter()
        found, remedy = "all there", ""
    except RuntimeUnavailable as lacking:
        found, remedy = lacking.what, lacking.remedy
    return Ability(
        name="server packages", there=not remedy, found=found, opens="runtime process", remedy=remedy
    )


def _docker() -> Iterator[Ability]:
    try:
        engine = Engine("doctor")
    except RuntimeUnavailable as lacking:
        yield Ability(
            name="Docker",
            there=False,
            found="does not answer",
            opens="runtime containers, controls of containers",
            remedy=lacking.remedy,
        )
        return
    try:
        version, here = engine.version(), engine.image_id(BASE) is not None
        registry = engine.registry_has(UPSTREAM, within_s=_REGISTRY_S)
    finally:
        engine.close()
    yield Ability(
        name="Docker", there=True, found=version, opens="runtime containers, controls of containers"
    )
    yield Ability(
        name="registry",
        there=registry,
        found="answers" if registry else "none answers",
        opens="pulling the base image and users' images",
        remedy="Not needed: the base image is then made of Debian's packages.",
    )
    make = shutil.which("mmdebstrap") is not None or (
        os.geteuid() == 0 and shutil.which("apt-get") is not None
    )
    found = "here" if here else "can be pulled" if registry else "can be made" if make else "cannot be had"
    yield Ability(
        name="base image",
        there=here or registry or make,
        found=found,
        opens="images of reference and source",
        remedy="Install mmdebstrap (Debian), or let a registry be reached.",
    )


def _browser() -> Ability:
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), "")
    return Ability(
        name="browser",
        there=bool(program),
        found=program or "none",
        opens="middleware.cors.credentials in a real browser",
        remedy="Install chromium (`make setup` does so as root on Debian).",
    )


def _memory() -> Ability:
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB
    return Ability(
        name="memory",
        there=pages >= _MEMORY_GIB,
        found=f"{pages:.1f} GiB free",
        opens="four profiles side by side",
        remedy="Verify one profile at a time: harness verify -p NAME.",
    )


def _disk() -> Ability:
    free = shutil.disk_usage(Path(__file__).parent).free / _GIB
    return Ability(
        name="disk",
        there=free >= _DISK_GIB,
        found=f"{free:.1f} GiB free",
        opens="images, journals",
        remedy="Free some space; `make clean` removes what was built.",
    )


def _advisories() -> Ability:
    online = answers(ONLINE)
    days = (datetime.now(UTC) - read_snapshot(SHIPPED).taken).days
    return Ability(
        name="advisories",
        there=online,
        found="online" if online else f"the shipped snapshot, {days} days old",
        opens="practice.security.scanning, process.build.dependencies",
        remedy="Give a newer one by --advisories, or accept its age in waivers.toml for a time.",
    )


def _proofs() -> Ability:
    kept = loading.load(places.PROJECT)
    return Ability(
        name="proofs",
        there=not kept.note and not kept.disagreement,
        found=kept.disagreement or kept.note or f"{len(kept.proofs)} hold",
        opens="the release gate",
        remedy="Run `harness selftest --if-stale`.",
    )


def _loopback() -> Ability:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.66", 0))
        except OSError:
            found, there = "127.0.0.1 alone", False
        else:
            found, there = "all of 127/8", True
    return Ability(
        name="loopback",
        there=there,
        found=found,
        opens="client addresses on the runtime process",
        remedy="Use the runtime containers for middleware.security.ip-filter.",
    )
