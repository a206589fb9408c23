"""The lock that a deployment is built from: names, versions and hashes, as pip reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness import places
from harness.runtimes import CannotShow, RuntimeName
from harness.target import Address, Image, Reference, Source, Target

_HASH = re.compile(r"--hash=(?:sha256|sha384|sha512):[0-9a-f]{64,128}\b")
_COMMENT = re.compile(r"(^|\s)#.*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One line of a lock that applies here. version: "" where it is not pinned to one. hashes: how many."""

    name: str
    version: str
    hashes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The pins by canonical name, and the lines that name no package of an index: options, URLs, nonsense."""

    name: str
    pins: Mapping[str, Pin]
    others: tuple[str, ...] = ()


def lock_of(target: Target | None, runtime: RuntimeName) -> Path:
    """Return the file that a deployment's packages were installed from. Raises `CannotShow`.

    As a process the reference runs in the harness's own environment, whose lock holds the server's.
    """
    match target:
        case Reference():
            everything = places.REQUIREMENTS.with_name("all.txt")
            return everything if runtime == "process" else places.REQUIREMENTS
        case Source(folder=folder):
            return folder / "requirements.txt"
        case Image(name=name):
            raise CannotShow(f"image:{name}: what it was built from is not known; give its source:FOLDER")
        case Address() | None:
            raise CannotShow("what a server elsewhere was built from is not known")


def read_lock(path: Path, more: str = "", *, python: str = "") -> Lock:
    """Return what a lock says to a version of Python, this one's if not given. Raises `OSError`.

    more: lines to be taken as its last ones.
    """
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    text = f"{path.read_text(encoding='utf-8')}\n{more}".replace("\\\n", " ")
    pins: dict[str, Pin] = {}
    others = []
    for line in filter(None, (_COMMENT.sub("", line).strip() for line in text.splitlines())):
        words, _, _ = line.partition(" --")
        try:
            wanted = Requirement(words)
        except InvalidRequirement:
            others.append(line)
            continue
        if wanted.marker and not wanted.marker.evaluate(environment if python else None):
            continue
        exact = [s.version for s in wanted.specifier if s.operator in {"==", "==="} and "*" not in s.version]
        name = canonicalize_name(wanted.name)
        if wanted.url:
            others.append(line)
        pins[name] = Pin(
            name=name,
            version=exact[0] if len(exact) == len(wanted.specifier) == 1 else "",
            hashes=len(_HASH.findall(line)),
        )
    return Lock(name=path.name, pins=pins, others=tuple(others))
