"""The history of writes, and what became of each: judged from what was sent, answered, and read back. Pure.

As Jepsen has it, a write without an answer is not one that failed: it may have happened, and may still.
What is sent again after that is the same write, under the same idempotency key: it may be there once, or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Content = Mapping[str, str]
Stored = Mapping[str, Sequence[Content]]


class Answered(StrEnum):
    """What a client knows of a write once it sends it no more."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Fate(StrEnum):
    """What is found of a write when it is read back."""

    ONCE = "once"
    ABSENT = "absent"
    DUPLICATED = "duplicated"
    ALTERED = "altered"


# What each kind of write may have come to. Refused and there, acknowledged and absent are broken promises.
ALLOWED: Mapping[Answered, frozenset[Fate]] = {
    Answered.ACKNOWLEDGED: frozenset({Fate.ONCE}),
    Answered.REFUSED: frozenset({Fate.ABSENT}),
    Answered.UNKNOWN: frozenset({Fate.ONCE, Fate.ABSENT}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One sending of a write. at, done: Unix time in seconds, of its first byte and of its answer or loss.

    status 0: no answer, and error says why.
    """

    at: float
    done: float
    status: int
    error: str = ""

    @property
    def answered(self) -> Answered:
        """What its answer says. 5xx is no refusal: a server may have failed after it had written."""
        if 200 <= self.status < 300:
            return Answered.ACKNOWLEDGED
        return Answered.REFUSED if 300 <= self.status < 500 and self.status != 408 else Answered.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write, by an id of its own. due: when it was planned, Unix time. content: what was to be stored."""

    id: str
    due: float
    content: Content
    attempts: tuple[Attempt, ...]

    @property
    def answered(self) -> Answered:
        """What its attempts say together: one acknowledgement is one, and a loss before a refusal stays."""
        found = {attempt.answered for attempt in self.attempts}
        if Answered.ACKNOWLEDGED in found:
            return Answered.ACKNOWLEDGED
        return Answered.REFUSED if found == {Answered.REFUSED} else Answered.UNKNOWN

    @property
    def done(self) -> float:
        """When its last attempt had ended."""
        return self.attempts[-1].done

    @property
    def disturbed(self) -> bool:
        """Whether its first attempt was not acknowledged."""
        return self.attempts[0].answered is not Answered.ACKNOWLEDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A history beside what was read back. strange: ids that are there and were never sent."""

    fates: Mapping[str, tuple[Answered, Fate]]
    strange: tuple[str, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Every broken promise, one sentence each."""
        found = [
            f"{id_}: {answered}, and {_TOLD[fate]}"
            for id_, (answered, fate) in self.fates.items()
            if fate not in ALLOWED[answered]
        ]
        return (*found, *(f"{id_}: nobody sent it, and it is there" for id_ in self.strange))

    def only(self, writes: Iterable[Write]) -> Judged:
        """What became of some of the writes."""
        return Judged(fates={write.id: self.fates[write.id] for write in writes}, strange=())

    @property
    def counts(self) -> Counter[tuple[Answered, Fate]]:
        """How many writes came to what."""
        return Counter(self.fates.values())


_TOLD: Mapping[Fate, str] = {
    Fate.ONCE: "it is there",
    Fate.ABSENT: "it is not there",
    Fate.DUPLICATED: "it is there more than once",
    Fate.ALTERED: "what is there is not what was sent",
}


def judge(writes: Iterable[Write], stored: Stored) -> Judged:
    """Return what became of each write. stored: everything found, by id; an id that has nothing may lack."""
    sent = {write.id: write for write in writes}
    fates = {id_: (write.answered, _fate(write.content, stored.get(id_, ()))) for id_, write in sent.items()}
    strange = sorted(id_ for id_, found in stored.items() if found and id_ not in sent)
    return Judged(fates=fates, strange=tuple(strange))


def _fate(content: Content, found: Sequence[Content]) -> Fate:
    if not found:
        return Fate.ABSENT
    if any(one != content for one in found):
        return Fate.ALTERED
    return Fate.ONCE if len(found) == 1 else Fate.DUPLICATED
