"""How a check says that it cannot decide: calls that end it."""

from __future__ import annotations

from typing import NoReturn

from harness.evidence import Use, current


class NotVerified(Exception):
    """The check could not earn a verdict; the argument is the reason."""


class TooSlow(NotVerified):
    """Nothing could be decided for want of time, which other work on the machine may have taken."""


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

    Where it did not, the check is tried once more while nothing else of the run uses the machine; what then
    is too slow again is `not-verified`.
    """
    if not reached:
        raise TooSlow(reason)


def prompt(held: object, message: str) -> None:
    """Demand of the target that it was quick enough.

    Beside other work it may not have been to blame: the check is then tried once more while nothing else of
    the run uses the machine, and fails if that does not help.
    """
    recorder = current()
    if not held:
        raise AssertionError(message) if recorder is None or recorder.alone else TooSlow(message)
