"""A Locust user that plans: its tasks begin when they are due, whatever became of those before."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final, NoReturn, TypeVar

import gevent
from gevent.pool import Group
from locust import User, stats, task
from locust.exception import StopUser

from harness.errors import HarnessError, UserError
from harness.load.generator.asking import TIMEOUT_S, Arrival, Wrong, client_for
from harness.load.generator.beside import Beside
from harness.load.generator.conclusion import conclude
from harness.load.generator.keys import mint
from harness.load.generator.options import give_up, order_of
from harness.load.generator.tally import Tally
from harness.load.order import Order
from harness.load.records import LoadResult, write_result
from harness.load.schedule import Phase, due_times, planned

Own = TypeVar("Own", bound="OpenUser")
Step = Callable[[Own, Arrival], object]
# What is under way when the plan has ended is waited for as long as a request may take.
_DRAIN_S: Final = TIMEOUT_S + 2
# gevent's timers are a millisecond late at worst: the last one before a request is due is not slept through.
_AWAKE_S: Final = 0.001
# A generator that waits for a processor measures itself: it goes first, where it may.
_NICE: Final = -10
_CUT_OFF: Final = "no answer by the end of the run"


def _three_digits(milliseconds: float) -> float:
    """Locust's own table and web page round to two digits at best."""
    return float(f"{milliseconds:.3g}")


stats.bucket_response_time = _three_digits  # type: ignore[assignment]


def wait_until(second: float) -> None:
    """Return when a `time.perf_counter()` second has come; not before, as gevent's timers may."""
    pause = second - time.perf_counter() - _AWAKE_S
    if pause > 0:
        gevent.sleep(pause)
    while time.perf_counter() < second:
        gevent.sleep(0)


def step(*, weight: int = 1, name: str = "") -> Callable[[Step[Any]], Any]:
    """Make a method a step of the journey: of all requests, `weight` parts of the sum of weights are it."""

    def declare(function: Step[Any]) -> Any:
        own = str(getattr(function, "__name__", "step"))
        title = name or own
        if hasattr(User, own):
            give_up(UserError(f"the step '{own}' hides a method of Locust's own", remedy="Rename it."))

        def arrive(user: OpenUser) -> None:
            user.arrive(function, title)

        arrive.__name__ = title
        return task(weight)(arrive)

    return declare


class OpenUser(User):
    """One scheduler for a whole run. Below it: `phases`, and the steps.

    Locust picks a task by its weight and asks how long to wait; here a task begins a request and the wait
    lasts until the next one is due. A late scheduler catches up: no request of the plan is left out.
    """

    abstract = True
    fixed_count = 1
    judged: ClassVar[bool] = True  # whether service levels are promised of this shape
    _keys: Sequence[str] = ()  # none until a run has begun
    _given: Order | None = None  # of a user that another one leads
    tally: Tally
    _arrivals: Group

    def phases(self, rate: float, for_s: float) -> Sequence[Phase]:
        """Return the plan for a height of `rate` requests a second and a length of `for_s` seconds."""
        raise NotImplementedError

    def on_start(self) -> None:
        """Make keys, and begin the plan."""
        self.order = self._given or order_of(self.environment.parsed_options)
        self.client = client_for(self.order.reach)
        try:
            keys, self.tenant = mint(self.client, self.order)
        except HarnessError as error:
            self._refuse(error)
        self._keys = keys
        self._turn = itertools.cycle(keys)
        self.paths = self.order.reach.paths
        self._ended = "it was stopped"
        if self._given is None:
            self._begin_plan(self.phases(self.order.rate, self.order.for_s))

    def wait_time(self) -> float:
        """Return the seconds until the next request is due. Raises StopUser after the last one."""
        due = None if self.tally.early else next(self._plan, None)
        if due is None:
            self._ended = ""
            raise StopUser
        self._due = self.tally.began + due
        return max(self._due - time.perf_counter() - _AWAKE_S, 0.0)

    def arrive(self, function: Step[Any], name: str) -> None:
        """Begin a step when it is due, without waiting for it."""
        wait_until(self._due)
        for user in random.sample(self._users, len(self._users)):
            self._arrivals.spawn(user._serve, function, name, self._due)  # noqa: SLF001

    def _begin_plan(self, phases: Sequence[Phase]) -> None:
        """Take the processor first, and begin the plan at every deployment at once."""
        with contextlib.suppress(OSError):
            os.nice(_NICE)
        self._users = [self, *self._led()]
        # To look through all that Locust brings would stop the clock of every request under way.
        gc.collect()
        gc.freeze()
        arrivals = Group()
        self._plan: Iterator[float] = due_times(phases, random.random)
        began = time.perf_counter()
        for user in self._users:
            user._arrivals = arrivals  # noqa: SLF001
            user.tally = Tally(user.order, type(self).__name__, planned=planned(phases), began=began)
        self._due = began + next(self._plan, 0.0)
        witness = self.order.witness
        self._beside = Beside(witness, phases, self.tally, wait_until) if witness else None

    def _led(self) -> Iterator[OpenUser]:
        """Yield the user of the second deployment, if there is one: it does what this one does."""
        if self.order.other is not None:
            user = type(self)(self.environment)
            user._given = replace(  # noqa: SLF001
                self.order, reach=self.order.other, other=None, levels=None, witness=None
            )
            user.on_start()
            yield user

    def next_key(self) -> str:
        """Return a key; all of them in turn."""
        return next(self._turn)

    def on_stop(self) -> None:
        """Wait for what is under way, and leave the result."""
        if not self._keys:
            return
        self._arrivals.join(timeout=_DRAIN_S)
        self._arrivals.kill()
        self._arrivals.join()  # what was cut off is counted too
        if self._beside is not None:
            self._beside.stop()
        other: LoadResult | None = None
        for user in self._users[::-1]:
            user.client.close()
            other = result = user.tally.result(
                tenant=user.tenant, judged=self.judged, ended=self._ended, last=self._due, other=other
            )
        options = self.environment.parsed_options
        if options is not None and options.result:
            write_result(result, Path(options.result))
        self.environment.process_exit_code = conclude(result, self.order.profile)
        gevent.spawn(self._leave)

    def _serve(self, function: Step[Any], name: str, due: float) -> None:
        arrival = Arrival(self, name, due)
        self.tally.begun(due - self.tally.began, time.perf_counter() - due)
        wrong: BaseException | None = None
        try:
            function(self, arrival)
        except gevent.GreenletExit:
            wrong = Wrong(_CUT_OFF)
        except Exception as error:  # whatever a step or its connection raises is what went wrong with it
            wrong = error
        taken_s = (arrival.answered or time.perf_counter()) - due
        # Counting comes after what else has been answered by now was read: it must not wait for the counting.
        self._arrivals.spawn(self._report, arrival, taken_s * 1000, wrong)

    def _report(self, arrival: Arrival, taken_ms: float, wrong: BaseException | None) -> None:
        due = arrival.due - self.tally.began
        self.tally.took(arrival.name, taken_ms, wrong, status=arrival.status, due=due)
        self.environment.events.request.fire(
            request_type=arrival.method,
            name=arrival.name,
            response_time=taken_ms,
            response_length=arrival.size,
            exception=wrong,
            context={},
            start_time=time.time(),
        )

    def _leave(self) -> None:
        """End the run: all of Locust, unless its web page is to stay."""
        runner = self.environment.runner
        if runner is not None:
            (runner.stop if self.environment.web_ui else runner.quit)()

    def _refuse(self, error: HarnessError) -> NoReturn:
        sys.stderr.write(f"locust: {error}\n")
        self.environment.process_exit_code = 2
        gevent.spawn(self._leave)
        raise gevent.GreenletExit  # what Locust takes for a user that was stopped, without a traceback
