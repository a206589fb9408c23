"""Reads the catalogue's files and looks controls up by id and by glob."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from harness.catalogue.control import Control
from harness.errors import PolicyError
from harness.tomlfile import Closed, nearest, read_toml, to_record

AREAS = (
    "deployment",
    "middleware",
    "scaling",
    "monitoring",
    "security",
    "process",
    "practice",
    "future",
)
_HERE = Path(__file__).parent


class UnknownControl(PolicyError, KeyError):
    """An id or glob names no control; the remedy names the nearest one."""


class Catalogue(Mapping[str, Control]):
    """Controls by id, in catalogue order."""

    __slots__ = ("_controls",)

    def __init__(self, controls: Iterable[Control]) -> None:
        self._controls: dict[str, Control] = {}
        for control in controls:
            if control.id in self._controls:
                raise PolicyError(
                    f"control {control.id} stands twice in the catalogue", remedy="Remove one of the two."
                )
            self._controls[control.id] = control

    def __getitem__(self, control_id: str) -> Control:
        """Return the control. Raises `UnknownControl`, which is a `KeyError` too, with the nearest id."""
        try:
            return self._controls[control_id]
        except KeyError:
            raise self._unknown(control_id) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._controls)

    def __len__(self) -> int:
        return len(self._controls)

    def match(self, globs: Iterable[str]) -> tuple[Control, ...]:
        """Return the controls that any glob names, in catalogue order; `*` also spans dots.

        Raises `UnknownControl` for a glob that names none: a selection that silently shrinks proves nothing.
        """
        patterns = tuple(globs)
        for pattern in patterns:
            if not any(fnmatchcase(control_id, pattern) for control_id in self):
                raise self._unknown(pattern)
        return tuple(c for c in self.values() if any(fnmatchcase(c.id, pattern) for pattern in patterns))

    def _unknown(self, name: str) -> UnknownControl:
        groups = {f"{control.group}.*" for control in self.values()}
        areas = {f"{control.area}.*" for control in self.values()}
        whole = f"{name}.*"
        hint = (
            f'did you mean "{whole}"? ' if whole in groups | areas else _close(name, [*self, *groups, *areas])
        )
        return UnknownControl(
            f'no control matches "{name}"', remedy=f"{hint}`harness catalogue` lists every control."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _AreaFile(Closed):
    control: tuple[Control, ...]


@cache
def load() -> Catalogue:
    """Return the shipped catalogue. Raises `PolicyError` that names file and key when a file is wrong."""
    return Catalogue(control for area in AREAS for control in read_area(_HERE / f"{area}.toml"))


def read_area(path: Path) -> tuple[Control, ...]:
    """Return the controls of one area's file; the file's name is the area."""
    remedy = "Correct these keys; the fields of a control are described in harness/catalogue/control.py."
    controls = to_record(
        _AreaFile, read_toml(path, error=PolicyError), source=path, remedy=remedy, error=PolicyError
    ).control
    for control in controls:
        if control.area != path.stem:
            raise PolicyError(
                f"{path}: control {control.id} is of another area",
                remedy=f"Move it to {control.area}.toml, or correct its id.",
            )
    return controls


def _close(name: str, known: Iterable[str]) -> str:
    hint = nearest(name, known)
    return f"{hint} " if hint.startswith("did") else ""
