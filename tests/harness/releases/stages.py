"""A stage in memory: the seam at which drivers are tested, and killed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from harness.errors import ReleaseError, StageError
from harness.policy.releases import Watch
from harness.releases.stage import Colour, Phase, Release, Sample, Traffic

LIMITS = Watch(for_s=1.0, at_most_s=4.0, samples=100, error_share=0.01, latency_ms=250.0)
GOOD = Traffic(requests=60, latency_ms=10.0)


class Killed(BaseException):
    """The driver's process has ended here."""


def release(version: str = "1.0.0", **given: str) -> Release:
    usual = {"configuration": 'log_level = "info"\n', "schema": "0001"}
    image = f"sha256:{sha256(version.encode()).hexdigest()}"
    return Release(**{"version": version, "image": image, **usual, **given})


OLD = release("1.0.0")
NEW = release("1.1.0", schema="0002")
IMAGE = "panotti:candidate"  # the tag of NEW's image


@dataclass
class MemoryStage:
    """killed_at: number of the call to be killed at. after: only once it has had its effect.

    refuses: by name of a call, which of them fail. answers: what a version's traffic looks like.
    """

    at: dict[Colour, Release] = field(default_factory=dict)
    active: Colour | None = None
    schema: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    killed_at: int | None = None
    after: bool = False
    refuses: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    answers: Mapping[str, Traffic] = field(default_factory=dict)
    elsewhere: Traffic = field(default_factory=Traffic)
    tags: dict[str, str] = field(default_factory=lambda: {IMAGE: NEW.image})

    @classmethod
    def serving_old(cls, **given: Any) -> MemoryStage:
        return cls(at={Colour.BLUE: OLD}, active=Colour.BLUE, **given)

    def _call(self, name: str, subject: object, effect: Callable[[], object]) -> None:
        number = len(self.calls)
        self.calls.append(name)
        if number == self.killed_at and not self.after:
            raise Killed
        if self.refuses.get(name, lambda _: False)(subject):
            raise StageError(f"{name} failed:\n  | the last line")
        effect()
        if number == self.killed_at:
            raise Killed

    def serving(self) -> Colour | None:
        return self.active

    def release_of(self, colour: Colour) -> Release | None:
        return self.at.get(colour)

    def identify(self, version: str, image: str, configuration: str) -> Release:
        if image not in self.tags:
            raise ReleaseError(f"there is no image {image}", remedy="Build it first.")
        return replace(NEW, version=version, image=self.tags[image], configuration=configuration)

    def migrate(self, release: Release, phase: Phase) -> None:
        self._call(phase, release, lambda: self.schema.append((phase, release.schema)))

    def start(self, colour: Colour, release: Release) -> None:
        assert self.active is not colour or self.at[colour] == release, "a start over the one that serves"
        self._call("start", release, lambda: self.at.update({colour: release}))

    def verify(self, colour: Colour) -> None:
        self._call("verify", self.at[colour], lambda: None)

    def switch(self, colour: Colour) -> None:
        self._call("switch", self.at[colour], lambda: setattr(self, "active", colour))

    def force(self, colour: Colour) -> None:
        self._call("force", colour, lambda: setattr(self, "active", colour))

    def watch(self, seconds: float, *, asking: bool = True) -> Iterator[Sample]:
        self._call("watch", None, lambda: None)
        assert self.active is not None
        for number in itertools.count(1):
            if number > seconds:
                return
            own = self.answers.get(self.at[self.active].version, GOOD)
            traffic = {self.active: own, self.active.other: self.elsewhere}
            yield Sample(at=float(number), traffic=traffic)

    def retire(self, colour: Colour) -> None:
        assert self.active is not colour, "the one that serves is retired"
        self._call("retire", colour, lambda: self.at.pop(colour, None))

    def kill(self, colour: Colour) -> None:
        self._call("kill", colour, lambda: self.at.pop(colour, None))
