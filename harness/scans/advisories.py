"""Advisories on Python packages: a dated snapshot of the PyPA advisory database, and the online service.

The snapshot is an archive of YAML files in the OSV schema (https://ossf.github.io/osv-schema/), one folder a
package. It is read as a whole, so that one that is cut off is noticed; only what is asked for is parsed.
"""

from __future__ import annotations

import lzma
import re
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, cast

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from harness.errors import AdvisoriesError

SHIPPED: Final = Path(__file__).parent / "data" / "pypa-advisory-database-2024-10-10.tar.xz"
_FOLDER: Final = "vulns"
_LARGEST: Final = 2_000_000  # bytes of one advisory; the longest known has a hundredth of it
_MODIFIED: Final = re.compile(rb"^modified:\s*['\"]?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", re.MULTILINE)
_REMEDY: Final = (
    "Give a .tar, .tar.gz or .tar.xz of https://github.com/pypa/advisory-database (vulns/PACKAGE/*.yaml), "
    "whole, by --advisories."
)
Advisory = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Advisories as YAML, by canonical package name, as they were at `taken`, their newest change."""

    name: str
    taken: datetime
    advisories: Mapping[str, tuple[bytes, ...]]

    @property
    def count(self) -> int:
        """How many advisories there are."""
        return sum(len(texts) for texts in self.advisories.values())

    def about(self, package: str, version: str) -> tuple[Advisory, ...]:
        """Return the advisories on a version of a package. Raises `AdvisoriesError` for what is no YAML."""
        found = (self._parse(text) for text in self.advisories.get(canonicalize_name(package), ()))
        return tuple(advisory for advisory in found if affects(advisory, package, version))

    def _parse(self, text: bytes) -> Advisory:
        try:
            return cast("Advisory", _plain(yaml.load(text, Loader=_Loader)))  # noqa: S506  a safe loader
        except (yaml.YAMLError, ValueError) as cause:
            raise AdvisoriesError(f"{self.name}: an advisory is no YAML: {cause}", remedy=_REMEDY) from None


_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot in an archive. Raises `AdvisoriesError` that says what is wrong with it."""
    texts: dict[str, list[bytes]] = defaultdict(list)
    newest = b""
    try:
        with tarfile.open(path) as archive:
            for package, text in _members(archive):
                texts[package].append(text)
                newest = max(newest, *_MODIFIED.findall(text), b"")
            _demand_end(archive)
    except (tarfile.TarError, EOFError, lzma.LZMAError, OSError) as cause:
        why = (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).splitlines()[0]
        raise AdvisoriesError(f"{path}: the snapshot cannot be read whole: {why}", remedy=_REMEDY) from None
    if not newest:
        raise AdvisoriesError(f"{path}: there is no dated advisory in it", remedy=_REMEDY)
    taken = datetime.fromisoformat(newest.decode()).replace(tzinfo=UTC)
    return Snapshot(
        name=path.name, taken=taken, advisories={name: tuple(found) for name, found in texts.items()}
    )


def _demand_end(archive: tarfile.TarFile) -> None:
    """Raise EOFError where the mark of an archive's end (POSIX pax) is missing, which tarfile overlooks."""
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError("it ends without the mark of its end")


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        path = PurePosixPath(member.name)
        if not member.isfile() or path.suffix != ".yaml" or _FOLDER not in path.parts[:-2]:
            continue
        file = archive.extractfile(member)
        text = file.read() if file and member.size <= _LARGEST else b""
        if len(text) != member.size:
            raise EOFError(f"{member.name} ends after {len(text)} of {member.size} bytes")
        yield canonicalize_name(path.parent.name), text


def affects(advisory: Advisory, package: str, version: str) -> bool:
    """Whether an advisory is about this version: listed, or within a range (OSV schema, "Evaluation")."""
    wanted, name = Version(version), canonicalize_name(package)
    for affected in advisory.get("affected") or ():
        about = affected.get("package") or {}
        if about.get("ecosystem") != "PyPI" or canonicalize_name(str(about.get("name", ""))) != name:
            continue
        if any(_same(wanted, listed) for listed in affected.get("versions") or ()):
            return True
        if any(_within(wanted, range_) for range_ in affected.get("ranges") or ()):
            return True
    return False


def _same(wanted: Version, listed: object) -> bool:
    found = _version(listed)
    return found is not None and found == wanted


def _within(wanted: Version, range_: Mapping[str, Any]) -> bool:
    """The last event at or before the version decides; `last_affected` still affects its own version."""
    if range_.get("type") != "ECOSYSTEM":
        return False  # commits of a repository: nobody can tell a version by them
    events = [(kind, version) for event in range_.get("events") or () for kind, version in event.items()]
    state = False
    for kind, version in sorted(((k, v) for k, v in events if k != "limit"), key=_order):
        bound = _version(version)
        if bound is None:
            continue
        if kind == "introduced" and (str(version) == "0" or wanted >= bound):
            state = True
        elif (kind == "fixed" and wanted >= bound) or (kind == "last_affected" and wanted > bound):
            state = False
    return state


def _order(event: tuple[str, object]) -> tuple[Version, bool]:
    return _version(event[1]) or Version("0"), event[0] == "introduced"


def _version(text: object) -> Version | None:
    try:
        return Version(str(text))
    except InvalidVersion:
        return None


def _plain(value: Any) -> Any:
    """YAML's own dates as the text that JSON has for them."""
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return value
