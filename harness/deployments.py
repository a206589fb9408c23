"""The deployments of a session: started ahead of need in the background, shared, counted, and stopped."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from harness.errors import HarnessError
from harness.planning import Need, upcoming
from harness.runtimes import CannotShow, Deployment, Runtime, RuntimeName

AHEAD = 2  # how many deployments may be starting before they are needed
_LEAVE_S = 20.0  # what a start under way gets to end by itself when the session closes


class Closing(HarnessError):
    """The session ends; nothing more is started."""


class Deployments:
    """Hands each item its deployment. `plan` gives the items in the order in which they will run.

    A profile's own deployment stays for the session; any other is stopped after the last item that needs it.
    One that an item was to dirty is renewed for the next, or replaced. One that an item has spoiled is
    replaced.
    """

    def __init__(
        self,
        plan: Mapping[str, Need],
        runtime_of: Callable[[RuntimeName], Runtime],
        leave: Callable[[Need], object] = id,
    ) -> None:
        """leave: called in the releasing thread before a deployment is stopped."""
        self._plan = dict(plan)
        self._order = list(plan)
        self._runtime_of = runtime_of
        self._leave = leave
        self._left = Counter(need.key for need in plan.values())
        self._starts: dict[tuple[str, ...], _Start] = {}
        self._stops: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = False

    def get(self, need: Need) -> Deployment:
        """Return a deployment, ready, also one that no item was planned for. Raises what its start raised."""
        return self._begin(need).result()

    def look_ahead(self, items: Iterable[str] | None = None, *, after: str | None = None) -> None:
        """Begin to start what the next items need: `items`, or everything planned after one."""
        if items is None:
            items = self._order[self._order.index(after) + 1 :] if after in self._plan else self._order
        own = [after] if after else []  # first of all, so that nothing gets ahead of it
        by_key = {self._plan[item].key: self._plan[item] for item in (*own, *items) if item in self._plan}
        for key in upcoming(by_key, AHEAD + len(own)):
            with contextlib.suppress(Closing):
                self._begin(by_key[key])

    def release(self, item: str, *, spoiled: bool = False) -> None:
        """Say that the item is done; its deployment is stopped, where that is due, meanwhile.

        spoiled: the item left it so that no other item may have it. It is stopped, and the next item that
        needs one like it gets a new one.
        """
        need = self._plan.get(item)
        if need is None:
            return
        with self._lock:
            self._left[need.key] -= 1
            start = self._starts.get(need.key)
            if start is None:
                return
            if not spoiled and (need.shared or self._left[need.key] > 0):
                start.dirty |= need.fresh and start.over
                return
            del self._starts[need.key]  # a twin that asks for it later gets one that is up
            stop = threading.Thread(target=start.stop, name=f"stop {need.group}", daemon=True)
            self._stops.append(stop)
        self._leave(need)
        stop.start()

    def close(self) -> None:
        """Stop everything, also what is still starting. Safe to call twice."""
        with self._lock:
            self._closing = True
            starts = list(self._starts.values())
            self._starts.clear()
        for start in starts:
            self._leave(start.need)
        stops = [threading.Thread(target=start.stop, daemon=True) for start in starts if start.ready]
        for stop in stops:
            stop.start()
        for thread in (*stops, *self._stops, *(start.thread for start in starts)):
            thread.join(_LEAVE_S)

    def _begin(self, need: Need) -> _Start:
        with self._lock:
            start = self._starts.get(need.key)
            if start is None:
                if self._closing:
                    raise Closing("the session is ending")
                start = self._starts[need.key] = _Start(need, self._runtime_of, lambda: self._closing)
                start.thread.start()
            elif start.dirty:
                start = self._starts[need.key] = start.again()
            return start


class _Start:
    """One deployment on its way up, in a thread of its own."""

    def __init__(
        self,
        need: Need,
        runtime_of: Callable[[RuntimeName], Runtime],
        unwanted: Callable[[], bool],
        used: Deployment | None = None,
    ) -> None:
        """used: one that was up for it before, to be renewed if it can be."""
        self.dirty = False
        self.need = need
        self._used = used
        self._runtime_of = runtime_of
        self._unwanted = unwanted
        self._deployment: Deployment | None = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=f"start {need.group}", daemon=True)

    @property
    def ready(self) -> bool:
        return self._deployment is not None

    def result(self) -> Deployment:
        self.thread.join()
        if self._error is not None:
            raise self._error.with_traceback(None)
        assert self._deployment is not None
        return self._deployment

    @property
    def over(self) -> bool:
        """Whether it came to an end, good or bad: an item may have had it."""
        return not self.thread.is_alive()

    def again(self) -> _Start:
        """Bring it up once more for the next item."""
        next_ = _Start(self.need, self._runtime_of, self._unwanted, used=self._deployment)
        next_.thread.start()
        return next_

    def stop(self) -> None:
        self.thread.join()
        if self._deployment is not None:
            # What cannot be stopped now is named when its runtime closes, and left to the watchdog.
            with contextlib.suppress(HarnessError):
                self._deployment.stop()

    def _run(self) -> None:
        try:
            deployment = self._renewed() or self._started()
        except BaseException as error:  # handed to whoever asks for it
            self._error = error
            return
        self._deployment = deployment
        if self._unwanted():
            deployment.stop()

    def _renewed(self) -> Deployment | None:
        if self._used is None:
            return None
        try:
            self._used.renew()
        except (HarnessError, CannotShow):
            with contextlib.suppress(HarnessError):
                self._used.stop()
            return None
        return self._used

    def _started(self) -> Deployment:
        runtime = self._runtime_of(self.need.runtime)
        runtime.prepare()
        return runtime.start(self.need.specification)
