"""The stage of a blue-green deployment: two places for a release behind one edge, of which one serves.

A driver of rollouts may be killed between any two calls, and within one. Hence each call can be made again,
by another process: it then completes what was left, or does nothing. What a stage tells is what is there, as
found on its containers and its edge, and not what it remembers.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, Protocol

from harness.errors import ReleaseError
from harness.tomlfile import Closed

Phase = Literal["expand", "contract"]
# What a version may look like: it names files, containers and labels.
VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
# An image's id in full. A tag, and a short id, may mean another image tomorrow.
DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class Colour(StrEnum):
    """One of the two places."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> Colour:
        """The other place."""
        return Colour.GREEN if self is Colour.BLUE else Colour.BLUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Closed):
    """What is put into service, exactly. image: full id. configuration: the text of its settings file.

    schema: the newest revision of the schema that its code knows.
    """

    version: str
    image: str
    configuration: str
    schema: str

    def __post_init__(self) -> None:
        if not VERSION.fullmatch(self.version):
            raise ReleaseError(
                f'"{self.version}" is no version: letters, digits and . _ + -, at most 64',
                remedy="Name the release like 1.4.0.",
            )
        if not DIGEST.fullmatch(self.image):
            raise ReleaseError(
                f'release {self.version}: "{self.image}" is no image digest',
                remedy="Give sha256: and 64 hexadecimal digits: a tag may mean another image tomorrow.",
            )

    @property
    def configuration_sha256(self) -> str:
        """Digest of its configuration."""
        return hashlib.sha256(self.configuration.encode()).hexdigest()

    @property
    def told(self) -> str:
        """The release in few words: version and short digests."""
        return f"{self.version} ({self.image[7:19]}, configuration {self.configuration_sha256[:12]})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Requests of clients that a colour has answered. errors: 5xx, or none. latency_ms: their mean."""

    requests: int = 0
    errors: int = 0
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What has passed at the edge since the sample before. at: Unix time in seconds, of its end."""

    at: float
    traffic: Mapping[Colour, Traffic]


class Stage(Protocol):
    """Two colours behind one edge. Every call raises `StageError`, with the last log lines of what failed."""

    def serving(self) -> Colour | None:
        """Return the colour to which the edge sends clients, None while it sends them to none."""
        ...

    def release_of(self, colour: Colour) -> Release | None:
        """Return the release that stands at a colour, all of it running; None for none, or part of one."""
        ...

    def identify(self, version: str, image: str, configuration: str) -> Release:
        """Return what `image`, a tag or an id, stands for now. Raises `ReleaseError` for no such image."""
        ...

    def migrate(self, release: Release, phase: Phase) -> None:
        """Migrate the database in a container of the release's own. Nothing is left of it when it fails."""
        ...

    def start(self, colour: Colour, release: Release) -> None:
        """Put a release at a colour, in place of what stands there, and wait until it is ready."""
        ...

    def verify(self, colour: Colour) -> None:
        """Ask a colour itself, past the switch: ready; the version and schema of its release; a write read
        back."""
        ...

    def switch(self, colour: Colour) -> None:
        """Send every client to a colour from one moment on, and wait until the other has nothing to answer.

        No request fails by it. Where it raises, clients are sent where they were before.
        """
        ...

    def watch(self, seconds: float, *, asking: bool = True) -> Iterator[Sample]:
        """Yield a sample several times a second. asking: ask the edge itself too, as silence is no health."""
        ...

    def retire(self, colour: Colour) -> None:
        """Stop a colour as an orchestrator does, and remove it. Raises for the one that serves."""
        ...

    def force(self, colour: Colour) -> None:
        """Send every client to a colour, ready or not: a fault, for checks."""
        ...

    def kill(self, colour: Colour) -> None:
        """End every replica of a colour at once, and leave it so: a fault, for checks."""
        ...
