"""What a ledger holds, and what follows from it: releases, which of them serves, what is unfinished."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from harness.releases.stage import Colour, Release
from harness.tomlfile import Closed

Operation = Literal["adopt", "release", "rollback", "contract"]
Result = Literal["taken", "returned", "failed"]
Mark = Literal["begun", "done", "failed"]


class Step(StrEnum):
    """One step of an operation. RETURN and DISCARD are those of a release that was not taken."""

    EXPAND = "expand"
    START = "start"
    VERIFY = "verify"
    SWITCH = "switch"
    WATCH = "watch"
    RETIRE = "retire"
    CONTRACT = "contract"
    RETURN = "return"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known(Closed):
    """A release was seen for the first time. at: Unix time in seconds, as everywhere here."""

    release: Release
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun(Closed):
    """An operation has begun. colour: where its release is to stand. before: the version that served then."""

    operation: Operation
    version: str
    before: str | None
    colour: Colour
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped(Closed):
    """A step of the operation that began last. why: of a step that failed."""

    step: Step
    mark: Mark
    why: str = ""
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Closed):
    """The operation that began last has ended. returned: the release from before serves again."""

    result: Result
    why: str = ""
    at: float


Entry = Known | Begun | Stepped | Ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An operation under way. reached: the step that began last, if any. why: of the step that failed."""

    begun: Begun
    steps: tuple[Stepped, ...] = ()

    def done(self, step: Step) -> bool:
        """Whether a step has been completed."""
        return any(one.step is step and one.mark == "done" for one in self.steps)

    @property
    def reached(self) -> Step | None:
        """The step that began last."""
        return self.steps[-1].step if self.steps else None

    @property
    def why(self) -> str:
        """Why its first step that failed did, "" while none has."""
        return next((one.why for one in self.steps if one.mark == "failed"), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an operation came to. why: for anything but taken. serving: the version that serves now."""

    operation: Operation
    version: str
    before: str | None
    result: Result
    why: str
    serving: str | None
    steps: tuple[Stepped, ...]
    began: float
    ended: float

    def seconds(self, step: Step) -> float | None:
        """Return how long a step took, to its end or its failure; None for one that was not taken."""
        began = [one.at for one in self.steps if one.step is step and one.mark == "begun"]
        over = [one.at for one in self.steps if one.step is step and one.mark != "begun"]
        return over[-1] - began[-1] if began and over else None

    @property
    def recovery_s(self) -> float | None:
        """From the moment at which clients first met a bad release until none did; None where none had."""
        met = [one.at for one in self.steps if one.step is Step.SWITCH and one.mark == "begun"]
        left = [one.at for one in self.steps if one.step is Step.RETURN and one.mark == "done"]
        return left[-1] - met[0] if met and left else None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What follows from the entries of a ledger.

    taken: versions in the order in which they were first put into service. expanded: revisions of the schema,
    in the order in which they came. contracted: the revision below which no release can serve any more.
    """

    releases: dict[str, Release] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    serving: str | None = None
    expanded: tuple[str, ...] = ()
    contracted: str | None = None
    unfinished: Unfinished | None = None

    def after(self, entry: Entry) -> State:
        """Return the state with one entry more."""
        match entry:
            case Known(release=release):
                return replace(self, releases={**self.releases, release.version: release})
            case Begun():
                return replace(self, unfinished=Unfinished(begun=entry))
            case Stepped():
                return self._stepped(entry)
            case Ended():
                return self._ended(entry)

    def previous(self) -> str | None:
        """Return the version that was first taken just before the one that serves."""
        if self.serving not in self.taken:
            return None
        place = self.taken.index(self.serving)
        return self.taken[place - 1] if place else None

    def outgrown(self, release: Release) -> bool:
        """Whether the schema was contracted to a revision that the release does not know."""
        if self.contracted is None or release.schema == self.contracted:
            return False
        known = [*self.expanded, release.schema]
        return known.index(release.schema) < known.index(self.contracted)

    def _stepped(self, entry: Stepped) -> State:
        assert self.unfinished is not None, "a ledger lets no step stand outside of an operation"
        under_way = replace(self.unfinished, steps=(*self.unfinished.steps, entry))
        found = replace(self, unfinished=under_way)
        schema = self.releases[under_way.begun.version].schema
        if entry.step is Step.EXPAND and schema not in self.expanded:
            found = replace(found, expanded=(*self.expanded, schema))
        if entry.step is Step.CONTRACT:
            # From its beginning: where it was killed, nobody knows how far it had come.
            found = replace(found, contracted=schema)
        return found

    def _ended(self, entry: Ended) -> State:
        assert self.unfinished is not None, "a ledger lets nothing end that has not begun"
        begun = self.unfinished.begun
        if begun.operation == "contract" or entry.result != "taken":
            return replace(self, unfinished=None)
        taken = self.taken if begun.version in self.taken else (*self.taken, begun.version)
        schema = self.releases[begun.version].schema
        first = begun.operation == "adopt" and schema not in self.expanded
        expanded = (*self.expanded, schema) if first else self.expanded
        return replace(self, taken=taken, serving=begun.version, expanded=expanded, unfinished=None)


def fold(entries: Iterable[Entry], state: State | None = None) -> State:
    """Return what follows from entries, in their order, after a state or from the very beginning."""
    state = state or State()
    for entry in entries:
        state = state.after(entry)
    return state
