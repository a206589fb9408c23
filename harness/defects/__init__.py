"""Deliberate changes to a deployment, as data: how a defect is planted, how a check asks for a setup.

A `Change` is one edit; a `Variation` is a titled, hashable set of them. Runtimes realise changes; this module
does no I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A server setting given by the environment; `value` None removes it. `${name}` is a named address."""

    key: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`old` replaced by `new` in a file of the reference: code, profile configuration, image, or topology.

    `path` is relative to the project. `old` must stand there exactly once: an outdated defect is an error.
    """

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret file with other content; `value` None removes it."""

    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFiles:
    """The secret files with another mode; their folder is then open to everybody too."""

    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The server's certificate replaced by a faulty one."""

    kind: Literal["expired", "wrong-name", "self-signed", "weak-key", "expiring", "untrusted-chain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container option changed (runtime `containers` only): user, read_only, cap_drop, environment, ..."""

    option: str
    value: str | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """A file more, in a place where scanners look. `${name}` in its text is a secret of the deployment.

    place: `packages`, where the server's packages are found first; `tree` of the source, or its `history`:
    committed, and removed again; `outputs`, among journal and reports; `lock`, lines more in the lock.
    """

    place: Literal["packages", "tree", "history", "outputs", "lock"]
    path: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """A scanner that goes on without its rules or data (`blind`), or with data of long ago (`stale`)."""

    tool: Literal["bandit", "pip-audit", "detect-secrets"]
    fault: Literal["blind", "stale"]


Misstep = Literal[
    "unverified", "by health", "unwatched", "stays", "forgetful", "by tag", "new settings", "cold", "abrupt"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A driver of rollouts that goes wrong in one way; `harness.releases.faulty` has them."""

    misstep: Misstep


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """A release that a check tries, made with further changes."""

    version: str
    changes: tuple[Edit | Added, ...]


# What the edge alone reads.
EDGE_FILES = frozenset({"deploy/haproxy.cfg", "deploy/refuse.lua"})
# What the harness does on a deployment, which itself does not differ by it.
OnReleases = Rollout | Remade
Change = Setting | Edit | Secret | SecretFiles | Certificate | Container | Added | Scanner | Rollout | Remade


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """A titled set of changes. As `broken_by` it is a defect; as `setup` a deployment a check needs.

    blinds: it takes the check's sight away, so that the check must come to `not-verified` and not to `fail`.
    """

    title: str
    changes: tuple[Change, ...]
    profile: str | None = None
    blinds: bool = False

    @property
    def key(self) -> str:
        """Stable id of what is changed, whatever the title: 12 hexadecimal digits."""
        return hashlib.sha256(repr((self.profile, self.changes)).encode()).hexdigest()[:12]

    @property
    def needs_containers(self) -> bool:
        """Whether only the `containers` runtime can realise it."""
        return any(
            isinstance(change, Container | Rollout | Remade)
            or (isinstance(change, Edit) and _of_containers(change.path))
            for change in self.changes
        )

    @property
    def of_deployment(self) -> Variation:
        """The part that changes the deployment itself."""
        return self._only(change for change in self.changes if not isinstance(change, OnReleases))

    @property
    def of_edge(self) -> Variation:
        """The part that changes the edge alone, which is replaced while all behind it stands."""
        return self._only(change for change in self.changes if _of_edge(change))

    @property
    def planted(self) -> Variation:
        """The part for which no deployment is brought up: it is planted in one that is up, and taken back."""
        return self._only(change for change in self.changes if _is_planted(change))

    @property
    def brought_up(self) -> Variation:
        """The part that a deployment is brought up with."""
        return self._only(change for change in self.changes if not _is_planted(change))

    def _only(self, changes: Iterable[Change]) -> Variation:
        kept = tuple(changes)
        return replace(self, changes=kept) if kept else CLEAN

    def __add__(self, other: Variation) -> Variation:
        return Variation(
            title=f"{self.title}; {other.title}" if self.title else other.title,
            changes=self.changes + other.changes,
            profile=other.profile or self.profile,
            blinds=self.blinds or other.blinds,
        )


def _of_edge(change: Change) -> bool:
    return isinstance(change, Edit) and change.path in EDGE_FILES


def _is_planted(change: Change) -> bool:
    return isinstance(change, OnReleases) or _of_edge(change)


def _of_containers(path: str) -> bool:
    return path.startswith("deploy/") and not path.startswith("deploy/profiles/")


CLEAN = Variation(title="", changes=())


def setting(*, title: str = "", **settings: object) -> Variation:
    """Server settings by upper-case name: `setting(CORS_ORIGINS="*")`; None removes one."""
    changes = tuple(
        Setting(key=key, value=None if value is None else str(value)) for key, value in settings.items()
    )
    return Variation(title=title or ", ".join(f"{c.key}={c.value}" for c in changes), changes=changes)


def edit(title: str, path: str, old: str, new: str) -> Variation:
    """A text edit over one file of the reference: `edit("early exit", "panotti/…/keys.py", old, new)`."""
    return Variation(title=title, changes=(Edit(path=path, old=old, new=new),))


def secret(name: str, value: str | None, *, title: str = "") -> Variation:
    """A secret file replaced, or removed with None."""
    return Variation(
        title=title or f"secret {name} {'missing' if value is None else 'replaced'}",
        changes=(Secret(name=name, value=value),),
    )


def secret_files(title: str, *, mode: int) -> Variation:
    """The secret files with another mode: `secret_files("secrets for everybody", mode=0o644)`."""
    return Variation(title=title, changes=(SecretFiles(mode=mode),))


def certificate(
    kind: Literal["expired", "wrong-name", "self-signed", "weak-key", "expiring", "untrusted-chain"],
) -> Variation:
    """A faulty server certificate."""
    return Variation(title=f"{kind} certificate", changes=(Certificate(kind=kind),))


def container(title: str, **options: str | bool | None) -> Variation:
    """Container options changed: `container("runs as root", user="0")`."""
    return Variation(
        title=title, changes=tuple(Container(option=key, value=value) for key, value in options.items())
    )


def added(
    title: str,
    path: str,
    text: str,
    *,
    place: Literal["packages", "tree", "history", "outputs", "lock"] = "packages",
) -> Variation:
    """A file more, where scanners look: `added("a key is committed", ".env", "KEY=...", place="history")`."""
    return Variation(title=title, changes=(Added(place=place, path=path, text=text),))


def scanner(
    title: str, tool: Literal["bandit", "pip-audit", "detect-secrets"], fault: Literal["blind", "stale"]
) -> Variation:
    """A scanner that cannot see: its check must not decide anything."""
    return Variation(title=title, changes=(Scanner(tool=tool, fault=fault),), blinds=True)


def rollout(title: str, misstep: Misstep) -> Variation:
    """A rollout that goes wrong: `rollout("a release gets traffic unverified", "unverified")`."""
    return Variation(title=title, changes=(Rollout(misstep=misstep),))


def remade(title: str, version: str, *parts: Variation) -> Variation:
    """A release that a check tries, made with further edits and files."""
    changes = tuple(c for part in parts for c in part.changes if isinstance(c, Edit | Added))
    return Variation(title=title, changes=(Remade(version=version, changes=changes),))


def blinding(variation: Variation) -> Variation:
    """Say of a defect that it takes the check's sight away: it must come to `not-verified`."""
    return replace(variation, blinds=True)


def defect(title: str, *parts: Variation) -> Variation:
    """Several changes under one title."""
    return Variation(
        title=title,
        changes=tuple(change for part in parts for change in part.changes),
        blinds=any(part.blinds for part in parts),
    )
