"""Text edits laid over the reference: a patched copy of the package, other settings, another image recipe."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harness import places
from harness.defects import Added, Edit
from harness.errors import HarnessError

_DEPLOY = "deploy/"


class EditError(HarnessError):
    """An edit whose text does not stand in the file exactly once: the defect describes code that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What the edits change. package, topology: new texts by path below the project; None: left as it is."""

    package: Mapping[str, str] = field(default_factory=dict)
    settings: str | None = None
    dockerfile: str | None = None
    topology: Mapping[str, str] = field(default_factory=dict)


def lay(changes: Iterable[Edit | Added], profile: str) -> Overlay:
    """Apply edits in their order, beside files that are added.

    Raises `EditError`; `HarnessError` for a file that is nobody's.
    """
    texts: dict[str, str] = {}
    for change in changes:
        if isinstance(change, Added):
            texts[_below(change.path)] = change.text
            continue
        path = _checked(change.path, profile)
        text = texts[path] if path in texts else _read(path)
        found = text.count(change.old)
        if found != 1:
            raise EditError(
                f"edit of {path}: its old text stands there {found} times, not once: {_shown(change.old)}",
                remedy="Bring the defect up to date with the file.",
            )
        texts[path] = text.replace(change.old, change.new)
    settings, dockerfile = texts.pop(_settings_path(profile), None), texts.pop("deploy/Dockerfile", None)
    topology = {path: texts.pop(path) for path in [*texts] if path.startswith(_DEPLOY)}
    return Overlay(package=texts, settings=settings, dockerfile=dockerfile, topology=topology)


def write_package(folder: Path, overlay: Overlay) -> Path:
    """Copy the package into `folder` and patch it; return the folder, to stand first on PYTHONPATH."""
    # Compiled files come along and stay valid: a copy keeps the times they are bound to.
    shutil.copytree(places.PACKAGE, folder / places.PACKAGE.name)
    for path, text in overlay.package.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for entry in (folder, *folder.rglob("*")):
        # The server's user reads it; the run's directory above is closed to everybody else.
        entry.chmod(0o755 if entry.is_dir() else 0o644)
    return folder


def _below(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or pure.parts[:1] == ("deploy",):
        raise HarnessError(f"{path}: it is not below the packages", remedy="Name a path below them.")
    return path


def _checked(path: str, profile: str) -> str:
    pure = PurePosixPath(path)
    own = pure.parts[:1] == ("panotti",) and ".." not in pure.parts
    if own or path in {_settings_path(profile), "deploy/Dockerfile"}:
        return path
    if pure.parts[:1] == ("deploy",) and ".." not in pure.parts and not path.startswith("deploy/profiles/"):
        return path
    raise HarnessError(
        f"edit of {path}: it has no effect on a deployment of the profile {profile}",
        remedy=f"Edit a file below panotti/ or deploy/, of its settings {_settings_path(profile)} alone.",
    )


def _settings_path(profile: str) -> str:
    return f"deploy/profiles/{profile}.toml"


def _read(path: str) -> str:
    try:
        return (places.PROJECT / path).read_text(encoding="utf-8")
    except OSError as cause:
        raise EditError(
            f"edit of {path}: {cause.strerror}", remedy="Bring the defect up to date with the project."
        ) from None


def _shown(text: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else text
    return repr(first if len(first) <= 80 else f"{first[:80]}…")
