"""What a run was asked for, as the command line or pytest gave it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from harness.catalogue import Catalogue
from harness.costs import DEPTHS, Depth
from harness.errors import UserError
from harness.profiles import PROFILES
from harness.runtimes import RuntimeName
from harness.tomlfile import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options that pytest and the `harness` program have in common. Paths are absolute.

    depth: `gate` leaves out what measures or rolls releases out. whole: nothing is chosen of the suites.
    suites: the folder of the checks, the project's own when not given.
    due: a file that names the defects that a self-test is to try, one a line; all of them when not given.
    """

    profiles: tuple[str, ...] = ()
    runtime: RuntimeName | None = None
    target: str = "reference"
    contract: Path | None = None
    policy: Path | None = None
    waivers: Path | None = None
    advisories: Path | None = None
    controls: tuple[str, ...] = ()
    journal: Path | None = None
    selftest: bool = False
    depth: Depth = "full"
    whole: bool = False
    suites: Path | None = None
    due: Path | None = None
    intrusive: bool = False
    own_target: bool = False

    @property
    def asked_profiles(self) -> tuple[str, ...]:
        """The profiles asked for, in their usual order; all of them when none was named."""
        return tuple(name for name in PROFILES if not self.profiles or name in self.profiles)

    def arguments(self) -> list[str]:
        """Return them as pytest takes them, but for the profiles and the journal."""
        words: list[str] = []
        if self.runtime:
            words += ["--runtime", self.runtime]
        if self.target != "reference":
            words += ["--target", self.target]
        for name, path in (
            ("--contract", self.contract),
            ("--policy", self.policy),
            ("--waivers", self.waivers),
            ("--advisories", self.advisories),
        ):
            words += [name, str(path)] if path else []
        for glob in self.controls:
            words += ["--controls", glob]
        words += ["--intrusive"] if self.intrusive else []
        words += ["--i-own-this-target"] if self.own_target else []
        return words

    def command(self) -> str:
        """Return how a single check is run again, up to its node id."""
        return shlex.join(["pytest", *self.arguments()])


def options_of(**given: Any) -> Options:
    """Return the options: paths made absolute, lists turned into tuples, what was not given left out."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        match value:
            case None:
                continue
            case list():
                values[name] = tuple(value)
            case Path():
                values[name] = value.absolute()
            case _:
                values[name] = value
    return Options(**values)


def write_due(path: Path, due: Iterable[tuple[str, str]]) -> None:
    """Write a file for `Options.due`: the defects to be tried, each by its check and its key."""
    path.write_text("".join(f"{check}#{key}\n" for check, key in due), encoding="utf-8")


@cache
def read_due(path: Path) -> frozenset[tuple[str, str]]:
    """Return the defects that such a file names, and each one's clean twin with the key "".

    Raises `UserError`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as cause:
        raise UserError(f"{path}: {cause.strerror or cause}", remedy="Name a readable file.") from None
    named = [line.rpartition("#") for line in lines]
    return frozenset((check, which) for check, _, key in named for which in (key, ""))


def validate(options: Options, catalogue: Catalogue) -> None:
    """Refuse an unknown profile, runtime, control or file of defects.

    Raises `UserError` that names the nearest valid one.
    """
    for profile in options.profiles:
        if profile not in PROFILES:
            raise UserError(f'there is no profile "{profile}"', remedy=nearest(profile, PROFILES))
    names = get_args(RuntimeName)
    if options.runtime and options.runtime not in names:
        raise UserError(f'there is no runtime "{options.runtime}"', remedy=nearest(options.runtime, names))
    if options.depth not in DEPTHS:
        raise UserError(f'there is no depth "{options.depth}"', remedy=nearest(options.depth, DEPTHS))
    catalogue.match(options.controls)
    if options.due is not None:
        read_due(options.due)
