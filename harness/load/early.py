"""Whether a run has decided what it is about, or can decide nothing, while it is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from harness.disturbance import Following, Moment
from harness.load.decision import Decision, during
from harness.load.order import Order
from harness.load.records import SLICE_S, Slice


class Early:
    """Takes the slices of a run as they come to their end, each with what the machine did in it."""

    def __init__(self, order: Order, began: float) -> None:
        """began: when the plan did, in seconds of the monotonic clock."""
        assert order.levels is not None, "only a run with levels can decide anything"
        self.over = False
        self._decision = Decision(order.levels)
        self._kind = order.kind
        self._began = began
        self._following = Following(order.moments) if order.moments else None
        self._moments: list[Moment] = []
        self._waiting: deque[Slice] = deque()

    def take(self, over: Iterable[Slice]) -> None:
        """Take slices that are over; those of which the machine's doings are not known yet have to wait."""
        self._waiting += over
        if self._waiting and self._following is not None:
            self._moments += self._following.new()
        while self._waiting and self._known(self._waiting[0]):
            one = self._waiting.popleft()
            self._decision.take(one, during(one, self._began, self._moments))
            self.over = self._decision.decided(self._kind) or self._decision.hopeless

    def _known(self, one: Slice) -> bool:
        if self._following is None:
            return True
        end = self._began + (one.number + 1) * SLICE_S
        return bool(self._moments) and self._moments[-1].ended >= end
