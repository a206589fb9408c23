"""What a campaign came to."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from harness.fuzz.message import Message
from harness.fuzz.oracles import Oracle
from harness.tomlfile import Closed

Phase = Literal["kept", "values", "examples", "coverage", "fuzzing", "reduced"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
_NOT_NOW: Final = 503
_SHOWN: Final = 2  # operations that a message names of one fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure(Closed):
    """One fault, with the smallest request that was found to show it.

    caller: whose request it was, as the plan names callers. again: whether it failed again when it was
    repeated, None where there was no time for that.
    status: of the answer. detail: see `Complaint`.
    """

    oracle: Oracle
    detail: str
    message: Message
    caller: str
    phase: Phase
    status: int
    again: bool | None = None

    @property
    def counts(self) -> bool:
        """Whether it is the request's doing: "not now" (503, RFC 9110 15.6.4) is so only if it stays."""
        return self.status != _NOT_NOW or self.again is True

    @property
    def id(self) -> str:
        """The same for the same fault of the same operation, in every run."""
        known = "\n".join((self.oracle, self.detail, self.message.operation))
        return hashlib.sha256(known.encode()).hexdigest()[:10]

    def __str__(self) -> str:
        once = " (not when it was repeated)" if self.again is False else ""
        return f"{self.message.operation} as {self.caller}: {self.oracle}: {self.detail}{once}"


@dataclass(slots=True, kw_only=True)
class Tally:
    """The cases of one operation in one phase. statuses: how many by status, 0 for no answer.

    successes: 2xx of those whose caller may, and is somebody unless everybody may.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    successes: int = 0

    @property
    def cases(self) -> int:
        """Those that were judged: 429 says nothing of the request."""
        return sum(count for status, count in self.statuses.items() if status != 429)


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzResult:
    """One campaign. counts: by operation and phase; every operation to be fuzzed has an entry.

    trouble: what Schemathesis could not make requests of.
    ended: why it ended before its time, "" where it did not. elapsed_s: from its first request to its last.
    """

    seed: int
    budget_s: float
    elapsed_s: float = 0.0
    counts: Mapping[str, Mapping[Phase, Tally]]
    failures: tuple[Failure, ...] = ()
    trouble: tuple[str, ...] = ()
    ended: str = ""

    def cases(self, operation: str) -> int:
        """How many requests of an operation were judged; those that only reduce a failure do not count."""
        return sum(t.cases for phase, t in self.counts[operation].items() if phase != "reduced")

    def successes(self, operation: str) -> int:
        """How many requests of an operation got through to it."""
        return sum(t.successes for phase, t in self.counts[operation].items() if phase != "reduced")

    @property
    def total(self) -> int:
        return sum(map(self.cases, self.counts))

    @property
    def statuses(self) -> Mapping[int, int]:
        """How many answers of each status there were, 0 for none."""
        found: Counter[int] = Counter()
        for counts in self.counts.values():
            for tally in counts.values():
                found += tally.statuses
        return dict(sorted(found.items()))


def told(failures: Sequence[Failure]) -> str:
    """Return failures in words that are the same in every run: each fault, and where it is."""
    found: dict[str, list[Failure]] = defaultdict(list)
    for failure in sorted(failures, key=lambda failure: (failure.oracle, failure.detail, failure.id)):
        found[f"{failure.oracle}, {failure.detail}"].append(failure)
    return "; ".join(f"{fault}: {_of(members)}" for fault, members in found.items())


def _of(failures: Sequence[Failure]) -> str:
    shown = ", ".join(
        f"{one.message.operation} (harness fuzz --replay {one.id})" for one in failures[:_SHOWN]
    )
    return shown + (f" and {len(failures) - _SHOWN} more" if len(failures) > _SHOWN else "")
