"""A campaign, in a process of its own: `python -m harness.fuzz.child ORDER`. It prints what happens.

JSON, a line each: {"case": [operation, phase, status, success]}, {"failure": {...}}, {"trouble": "..."},
{"refused": "...", "remedy": "..."}, {"done": seconds}. Whoever stops it has every line so far.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import orjson
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import Phase as Generation
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.fuzz import description, engine
from harness.fuzz.choosing import Choice
from harness.fuzz.description import Shape
from harness.fuzz.message import Message
from harness.fuzz.mutation import Builder, Trial, draw, trials
from harness.fuzz.oracles import Judge
from harness.fuzz.order import Order, Reached, read_order
from harness.fuzz.records import Failure, Phase
from harness.fuzz.reduce import reduced
from harness.fuzz.sender import Case, OutOfTime, Sender
from harness.probes.peer import Peer
from harness.probes.reply import Reply

_VALID: Final = 2  # requests to each operation to begin with
_AT_ONCE: Final = 20  # requests that are made before they are sent
_LEAST_S: Final = 0.5
_WARM_S: Final = 5.0
_VALID_WITHIN_S: Final = 60.0


class Campaign:
    """One campaign on one server."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._operations = {operation.name: operation for operation in order.operations}
        public = orjson.dumps(dict(order.description)).decode()
        judge = Judge(unversioned=order.unversioned, public=public)
        self._sender = Sender(order, _peer(order.peer), judge, self._take)
        self._choice = Choice(order, self._sender)
        self._found: dict[str, Failure] = {}

    def run(self) -> None:
        """Send what is valid, then spend the budget. Raises `ProbeFailed` for an unreadable description."""
        document = description.for_fuzzing(self._order)
        engine.load(document, self._send, seed=self._order.seed)
        shapes = [description.shape(document, operation) for operation in self._order.operations]
        self._warm_up(shapes)
        self._sender.until(time.monotonic() + _VALID_WITHIN_S)
        with suppress(OutOfTime):
            self._known()
        began = time.monotonic()
        for until, part in (
            (0.1, self._kept),
            (0.35, partial(self._values, shapes)),
            (0.45, self._settle),
            (0.92, partial(self._described, document)),
            (1.0, self._settle),
        ):
            # What one part leaves of its time is the next one's.
            end = began + until * self._order.budget_s
            self._sender.until(end)
            with suppress(OutOfTime):
                part(end)
        _tell(done=round(time.monotonic() - began, 3))
        self._sender.close()

    def _warm_up(self, shapes: Sequence[Shape]) -> None:
        """Make a few requests, and send none: the first of everything takes its time."""
        few = replace(self._order, operations=self._order.operations[:1])
        engine.run(description.for_fuzzing(few), _unsent, seed=0, for_s=_WARM_S)
        _drawn(trials(shapes, 0)[:_AT_ONCE], 0)

    def _kept(self, _: float) -> None:
        """Repeat what failed in earlier campaigns."""
        for name, message in self._order.kept:
            operation = self._operations.get(message.operation)
            if operation is not None:
                caller = self._choice.named(name) or self._choice.caller(operation, may=True)
                self._sender.send(message, caller, "kept")

    def _known(self) -> None:
        """Send what is valid: what has not been got through to is not fuzzed, however long it takes."""
        for operation in self._order.operations:
            for name, known in zip(operation.allowed, operation.known[:_VALID], strict=False):
                caller = self._choice.named(name)
                assert caller is not None, "a caller of this campaign"
                self._sender.send(Builder(operation, known)(), caller, "examples")

    def _values(self, shapes: Sequence[Shape], end: float) -> None:
        """Send valid requests with one value exchanged, again and again until the time is over."""
        for number in count(self._order.seed) if shapes else ():
            for some in _in_chunks(trials(shapes, number), _AT_ONCE):
                if time.monotonic() >= end:
                    return
                for message in _drawn(some, number):
                    caller = self._choice.caller(self._operations[message.operation])
                    self._sender.send(message, caller, "values")

    def _described(self, document: dict[str, Any], end: float) -> None:
        """Send what Schemathesis makes of the description."""
        left = max(end - time.monotonic(), _LEAST_S)
        for trouble in engine.run(document, self._send, seed=self._order.seed, for_s=left):
            _tell(trouble=trouble)

    def _send(self, message: Message, phase: Phase) -> Reply:
        # The examples are the valid requests: whoever sends them is to be let in, or nothing is tried behind.
        caller = self._choice.caller(self._operations[message.operation], may=phase == "examples")
        return self._sender.send(message, caller, phase).reply

    def _take(self, case: Case) -> None:
        operation = self._operations[case.message.operation]
        success = case.reply.ok and case.caller.name in operation.allowed
        _tell(case=[operation.name, case.phase, case.reply.status, success])
        if case.phase == "reduced":
            return
        for complaint in case.complaints:
            failure = Failure(
                oracle=complaint.oracle,
                detail=complaint.detail,
                message=case.message,
                caller=case.caller.name,
                phase=case.phase,
                status=case.reply.status,
            )
            if failure.id not in self._found:
                self._keep(failure)

    def _keep(self, failure: Failure) -> None:
        self._found[failure.id] = failure
        _tell(failure=failure)

    def _settle(self, _: float) -> None:
        """Repeat what has failed, as it may have been another request's fault; then make it small."""
        fresh = [failure for failure in self._found.values() if failure.again is None]
        for failure in fresh:
            self._keep(replace(failure, again=self._fails(failure, failure.message)))
        for failure in [self._found[failure.id] for failure in fresh if self._found[failure.id].again]:
            self._keep(replace(failure, message=reduced(failure.message, partial(self._fails, failure))))

    def _fails(self, failure: Failure, message: Message) -> bool:
        caller = self._choice.named(failure.caller)
        assert caller is not None, "a caller of this campaign"
        case = self._sender.send(message, caller, "reduced")
        return any((c.oracle, c.detail) == (failure.oracle, failure.detail) for c in case.complaints)


def _drawn(some: Sequence[Trial], number: int) -> list[Message]:
    """Draw a request for each trial."""
    made: list[Message] = []

    @seed(number)
    @settings(
        max_examples=2,  # the first is always the plainest one
        phases=(Generation.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        made[:] = [draw(data, trial) for trial in some]

    collect()
    return made


def _in_chunks(found: Sequence[Trial], size: int) -> Iterator[Sequence[Trial]]:
    for start in range(0, len(found), size):
        yield found[start : start + size]


def _unsent(_: Message, phase: Phase) -> Reply:
    if phase == "fuzzing":
        raise OutOfTime
    return Reply(status=422)


def main(order: str) -> int:
    """Run the campaign of a file."""
    try:
        Campaign(read_order(Path(order))).run()
    except HarnessError as error:
        _tell(refused=error.what, remedy=error.remedy)
        return 2
    return 0


def _peer(reached: Reached) -> Peer:
    return Peer(
        host=reached.host,
        port=reached.port,
        tls=reached.tls,
        name=reached.name,
        authority=reached.authority,
        ca_file=Path(reached.ca_file) if reached.ca_file else None,
    )


def _tell(**line: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
