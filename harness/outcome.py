"""How a check says that it cannot decide: calls that end it."""

from __future__ import annotations

from typing import NoReturn

from harness.evidence import Use, current


class NotVerified(Exception):
    """The check could not earn a verdict; the argument is the reason."""


class TooSlow(NotVerified):
    """Something took longer than it may, for which other work on the machine may be to blame.

    failure: it is the target's own fault where nothing else was at work.
    """

    def __init__(self, reason: str, *, failure: bool = False) -> None:
        super().__init__(reason)
        self.failure = failure


class LeftOut(Exception):
    """The run's depth leaves this check out; the argument is what it would have cost."""


class NotApplicable(Exception):
    """The policy of this profile does not ask for this; the argument is the reason."""


class Absent(AssertionError):
    """The target lacks a capability that the policy asks for: a `fail`, not a skip."""


def not_verified(reason: str) -> NoReturn:
    """End the check as `not-verified`, with the reason."""
    raise NotVerified(reason)


def not_applicable(reason: str) -> NoReturn:
    """End the check as `not-applicable`, with the reason."""
    raise NotApplicable(reason)


def costs(use: Use) -> None:
    """Note that the current check measures on a quiet machine, or rolls releases out.

    Its cost class follows from that. Raises `LeftOut` where the run's depth leaves such checks out.
    """
    recorder = current()
    if recorder is None:
        return
    recorder.uses.add(use)
    if use in recorder.refused:
        raise LeftOut(use)


def floor(reached: object, reason: str) -> None:
    """Demand that the stimulus really happened: below the floor the check is `not-verified`.

    `reached` is truthy when it did (requests let through, samples taken, the connection really TLS);
    `reason` says what was missing.
    """
    if not reached:
        raise NotVerified(reason)


def in_time(reached: object, reason: str) -> None:
    """Demand that the stimulus happened in the time that there was for it.

    Where it did not, the check is tried again (`harness.retrying`). What remains too slow is `not-verified`.
    """
    if not reached:
        raise TooSlow(reason)


def prompt(held: object, message: str) -> None:
    """Demand of the target that it was quick enough.

    Where it was not, the check is tried again (`harness.retrying`). It fails where nothing but the target was
    at work.
    """
    if not held:
        raise TooSlow(message, failure=True)
