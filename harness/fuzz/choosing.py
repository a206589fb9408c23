"""Whose request it is: mostly somebody's who may, now and then somebody's who may not."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from harness.fuzz.order import Caller, Operation, Order
from harness.fuzz.sender import Sender

_REFUSED: Final = 0.1


class Choice:
    """Chooses callers by the campaign's seed; those whose quota is used up are passed over."""

    def __init__(self, order: Order, sender: Sender) -> None:
        self._callers: Mapping[str, Caller] = {caller.name: caller for caller in order.callers}
        self._random = Random(order.seed)  # noqa: S311 - it is to be repeatable
        self._sender = sender

    def caller(self, operation: Operation, *, may: bool = False) -> Caller:
        """Return a caller of an operation. may: only one that is let in."""
        outside = operation.refused and not may and self._random.random() < _REFUSED
        names = list(operation.refused if outside else operation.allowed)
        self._random.shuffle(names)
        for name in names:
            if self._sender.free(self._callers[name]):
                return self._callers[name]
        return self._callers[names[0]]

    def named(self, name: str) -> Caller | None:
        """Return a caller by name, None where this campaign has no such one."""
        return self._callers.get(name)
