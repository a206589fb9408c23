"""Starts that the target must refuse, and what it says when it does.

Several mistakes share a start, because each start costs a second: a mistake that the refusal names is shown.
One that it does not name is tried again alone, so that a server which stops at the first of them is judged
fairly, and one which accepts any of them is found.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Final

from harness.contract import Contract
from harness.defects import CLEAN, Secret, Setting, Variation
from harness.evidence import record
from harness.outcome import Absent, floor
from harness.probes.waiting import together
from harness.records import Observation
from harness.runtimes import StartFailure

_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing wrong with a configuration. name: what the refusal must name, as a whole word of any case."""

    name: str
    variation: Variation

    def named_in(self, output: str) -> bool:
        """Whether `output` names it."""
        return re.search(rf"(?<![\w]){re.escape(self.name)}(?![\w])", output, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A start with a mistake. failure None: it became ready."""

    mistake: Mistake
    failure: StartFailure | None

    @property
    def verdict(self) -> str:
        """What is wrong with how the target took the mistake; "" when it refused and named it."""
        title = self.mistake.variation.title
        match self.failure:
            case None:
                return f"it started with: {title}"
            case StartFailure(status=None):
                return f"it neither started nor ended with: {title}"
            case StartFailure(status=0):
                return f"it ended with status 0 with: {title}"
            case StartFailure(output=output) if not self.mistake.named_in(output):
                return f"it refused, but did not name {self.mistake.name}: {title}"
        return ""


def refused(attempts: Sequence[Attempt]) -> None:
    """Demand that every attempt was refused by name. Raises NotVerified without one, AssertionError."""
    floor(attempts, "there is no start that would have to be refused")
    wrong = [attempt.verdict for attempt in attempts if attempt.verdict]
    assert not wrong, "; ".join(wrong)


class StartProbe:
    """Tries mistakes on one deployment's target; its checks share what came of each start."""

    def __init__(
        self, try_start: Callable[[Variation, float], StartFailure | None], contract: Contract
    ) -> None:
        self._try_start = try_start
        self._contract = contract
        self._known: dict[str, StartFailure | None] = {}
        self._lock = threading.Lock()

    def attempts(self, mistakes: Iterable[Mistake], *, timeout_s: float) -> list[Attempt]:
        """Try every mistake; return what came of it, in their order."""
        wanted = list(mistakes)
        rounds = _rounds(wanted)
        tried = together(*(partial(self._start, _joined(r), timeout_s) for r in rounds), at_once=_AT_ONCE)
        found = {
            mistake: failure
            for mistakes_, failure in zip(rounds, tried, strict=True)
            for mistake in mistakes_
            if len(mistakes_) == 1 or (failure and failure.status and mistake.named_in(failure.output))
        }
        alone = [mistake for mistake in wanted if mistake not in found]
        again = together(*(partial(self._start, m.variation, timeout_s) for m in alone), at_once=_AT_ONCE)
        found.update(zip(alone, again, strict=True))
        return [
            Attempt(mistake=one, failure=self._settled(one.variation, found[one], timeout_s))
            for one in wanted
        ]

    def outcome(self, variation: Variation, *, timeout_s: float) -> StartFailure | None:
        """Return how one start failed, None when it became ready. Raises NotVerified: too slow a machine."""
        return self._settled(variation, self._start(variation, timeout_s), timeout_s)

    def secret(self, name: str, value: str | None) -> Variation:
        """Return the variation in which a secret has this value, None: it is missing.

        A key that the contract supplies by a variable is made empty instead. Raises Absent for a secret that
        the target does not have.
        """
        launch = self._contract.launch
        title = f"secret {name} {_told(value)}"
        if name in launch.secrets:
            return Variation(title=title, changes=(Secret(name=name, value=value),))
        if name == "api_key" and launch.api_key.env:
            return Variation(title=title, changes=(Setting(key=launch.api_key.env, value=value or ""),))
        raise Absent(f"the contract names no secret '{name}'")

    def _settled(
        self, variation: Variation, failure: StartFailure | None, timeout_s: float
    ) -> StartFailure | None:
        """A start that came to nothing says nothing yet: others ran beside it, and the machine may be busy.

        It is held against a right start at the same moment. Raises NotVerified: that one is not ready either.
        """
        if failure is None or failure.status is not None:
            return failure
        again, usual = together(*(partial(self._try_start, v, timeout_s) for v in (variation, CLEAN)))
        if again and again.status is None:
            floor(
                usual is None or usual.status is not None,
                f"this machine is too slow: a right start is not ready within {timeout_s:g} s either",
            )
        return again

    @staticmethod
    def file(name: str, value: str) -> Variation:
        """Return the variation with one more file beside the secrets."""
        return Variation(title=f"secret file {name}", changes=(Secret(name=name, value=value),))

    def _start(self, variation: Variation, timeout_s: float) -> StartFailure | None:
        with self._lock:
            known = variation.key in self._known
        if not known:
            failure = self._try_start(variation, timeout_s)
            if failure is None or failure.status is not None:
                with self._lock:
                    self._known[variation.key] = failure
            return failure
        failure = self._known[variation.key]
        told = "it started" if failure is None else f"it ended with status {failure.status}"
        record(Observation(subject=f"start tried before with {variation.title}", data={"told": told}))
        return failure


def _rounds(mistakes: Sequence[Mistake]) -> list[list[Mistake]]:
    """Mistakes that can share a start: no name twice, so that the one named is the one made."""
    rounds: list[list[Mistake]] = []
    for mistake in mistakes:
        free = (r for r in rounds if all(mistake.name.lower() != other.name.lower() for other in r))
        taken = next(free, None)
        if taken is None:
            rounds.append([mistake])
        else:
            taken.append(mistake)
    return rounds


def _joined(mistakes: Sequence[Mistake]) -> Variation:
    return reduce(add, (mistake.variation for mistake in mistakes))


def _told(value: str | None) -> str:
    match value:
        case None:
            return "missing"
        case "":
            return "empty"
        case _:
            return f'set to "{value}"'
