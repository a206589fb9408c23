"""Releases put into service at one deployment, returned to, and interrupted; what is seen of it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from harness.defects import Added, Edit, Remade, Rollout, Variation
from harness.evidence import record, waiting_for_target
from harness.outcome import not_verified
from harness.policy.releases import Watch
from harness.probes.rehearsal import Rehearsal, Standing
from harness.probes.writes import WriteProbe
from harness.records import Json, Observation
from harness.releases.entries import Ended, Mark, Outcome, State, Step, Stepped
from harness.releases.exhibits import exhibits
from harness.releases.faulty import FaultyDriver
from harness.releases.ledger import Ledger, read_state
from harness.releases.rollout import Driver, Listener
from harness.releases.stage import Release, Sample, Stage

if TYPE_CHECKING:
    from harness.runtimes.workshop import Workshop

_WHILE_S: Final = 3600.0
_SHOWN: Final = 600  # characters of a reason


class Interrupted(BaseException):
    """The driver ends here as if it had been killed: no step of its own follows."""


class RolloutProbe:
    """Drives the rollouts of one deployment, by a ledger of its own.

    first: the release that stood there first. planted: defects of the driver and of the releases.
    seed: for what checks leave to chance.
    """

    def __init__(
        self,
        stage: Stage,
        watch: Watch,
        writes: WriteProbe,
        workshop: Workshop,
        *,
        first: Release,
        planted: Variation,
    ) -> None:
        self.stage = stage
        self.outcomes: list[Outcome] = []
        self.seed = secrets.randbits(32)
        self._after: list[Standing] = []
        self._watch = watch
        self._writes = writes
        self._workshop = workshop
        self._planted = planted.changes
        self._rehearsals: dict[str, Rehearsal] = {}
        self._made: dict[str, Release] = {}
        self._tags: dict[str, str] = {}
        self._first = first
        self._name = f"panotti-tried-{secrets.token_hex(4)}"
        self._folder = TemporaryDirectory(prefix="ledger-")
        self._ledgers = count(1)
        self.begin_ledger()

    def begin_ledger(self) -> None:
        """Begin a new ledger: somebody else has changed what stands, and the old one does not tell it."""
        self._path = Path(self._folder.name) / f"ledger-{next(self._ledgers)}"

    @property
    def state(self) -> State:
        """What the ledger says."""
        return read_state(self._path)

    def serving(self) -> Release | None:
        """Return the release that clients are sent to."""
        colour = self.stage.serving()
        return None if colour is None else self.stage.release_of(colour)

    def stands(self) -> Standing:
        """Return the release that clients are sent to, and the one at the other colour."""
        colour = self.stage.serving()
        if colour is None:
            return Standing(serving=None, beside=None)
        serving, beside = map(self.stage.release_of, (colour, colour.other))
        return Standing(serving=serving, beside=beside)

    def home(self) -> Release:
        """Return to the release that stood here first, and return it: where every check begins.

        What a check before left unfinished is ended. Raises NotVerified where there is no way back.
        """
        if self.state.unfinished is not None:
            self.resume()
        serving = self.serving()
        if serving is None:
            not_verified("no release serves")
        if serving != self._first and self.rollback(self._first.version).result != "taken":
            not_verified(f"{self._first.version} could not be returned to")
        return self._first

    def warm_up(self, release: Release) -> None:
        """Let a release stand at the other colour, ready, where it does not yet."""
        colour = self.stage.serving()
        if colour is not None:
            self.stage.start(colour.other, release)

    def cool(self) -> None:
        """Retire what stands at the other colour: whoever returns to it has to start it anew."""
        colour = self.stage.serving()
        if colour is not None:
            self.stage.retire(colour.other)

    def made(self, version: str, changes: Variation) -> Release:
        """Build a release, once, with settings that only its own mark tells from those of what serves."""
        if version not in self._made:
            laid = [change for change in changes.changes if isinstance(change, Edit | Added)]
            for one in self._planted:
                if isinstance(one, Remade) and one.version == version:
                    laid += one.changes
            tag = self._tags[version] = f"{self._name}:{version}"
            self._workshop.tag(self._workshop.build(laid), tag)
            serving = self.serving()
            settings = serving.configuration if serving else ""
            self._made[version] = self.stage.identify(version, tag, f"{settings}# {version}\n")
        return self._made[version]

    def move_tag(self, release: Release, other: Release) -> None:
        """Let the tag that a release was built under mean another one's image from now on."""
        self._workshop.tag(other.image, self._tags[release.version])

    def release(self, release: Release) -> Outcome:
        """Put a release into service. Raises `ReleaseError` where it cannot be tried."""
        return self._drive(lambda driver: driver.release(release))

    def rollback(self, version: str | None = None) -> Outcome:
        """Return to a kept release."""
        return self._drive(lambda driver: driver.rollback(version))

    def contract(self) -> Outcome:
        """Remove from the schema what only older releases use."""
        return self._drive(lambda driver: driver.contract())

    def resume(self) -> Outcome | None:
        """Let another driver go on with what was interrupted; None where it finds nothing to do."""
        return self._attempt(lambda driver: driver.resume())

    def interrupted(self, work: Callable[[Driver], Outcome | None], step: Step, mark: Mark) -> bool:
        """Begin `work`, and end its driver once a step has that mark; whether it came so far."""
        try:
            self._attempt(work, until=(step, mark))
        except Interrupted:
            record(Observation(subject=f"a driver was ended at {step} {mark}", data={}))
            return True
        return False

    def rehearse(self, name: str, work: Callable[[Self], object]) -> Rehearsal:
        """Do `work` from home, while writes go on and the edge is watched.

        The checks of a deployment share one rehearsal of a name.
        """
        found = self._rehearsals.get(name)
        if found is None:
            self.home()
            before, stood = len(self.outcomes), self.stands()
            with self._writes() as writing, self._watched() as samples, waiting_for_target():
                work(self)
            found = self._rehearsals[name] = Rehearsal(
                outcomes=tuple(self.outcomes[before:]),
                stood=(stood, *self._after[before:]),
                writing=writing,
                judged=self._writes.judged(writing),
                samples=tuple(samples),
            )
        else:
            for outcome in found.outcomes:
                _record(outcome)
        for exhibit in exhibits(
            found.outcomes, found.samples, found.writing.writes, found.judged, title=name
        ):
            record(exhibit)
        return found

    def forget(self) -> None:
        """Let every rehearsal be done anew."""
        self._rehearsals.clear()

    @contextmanager
    def _watched(self) -> Iterator[list[Sample]]:
        samples: list[Sample] = []
        over = threading.Event()

        def look() -> None:
            for sample in self.stage.watch(_WHILE_S, asking=False):
                samples.append(sample)
                if over.is_set():
                    return

        with ThreadPoolExecutor(max_workers=1) as eyes:
            looking = eyes.submit(look)
            try:
                yield samples
            finally:
                over.set()
                looking.result()

    def close(self) -> None:
        """Forget the ledger, and the tags."""
        while self._tags:
            self._workshop.untag(self._tags.popitem()[1])
        self._folder.cleanup()

    def _drive(self, work: Callable[[Driver], Outcome]) -> Outcome:
        found = self._attempt(work)
        assert found is not None, "an operation that was begun has an outcome"
        return found

    def _attempt(
        self, work: Callable[[Driver], Outcome | None], until: tuple[Step, Mark] | None = None
    ) -> Outcome | None:
        def listen(told: Stepped | Ended | Sample) -> None:
            if isinstance(told, Stepped) and (told.step, told.mark) == until:
                raise Interrupted

        with Ledger.hold(self._path) as ledger, waiting_for_target():
            outcome = work(self._driver(ledger, listen))
        if outcome is not None:
            self.outcomes.append(outcome)
            self._after.append(self.stands())
            _record(outcome)
        return outcome

    def _driver(self, ledger: Ledger, listener: Listener) -> Driver:
        misstep = next((one.misstep for one in self._planted if isinstance(one, Rollout)), None)
        if misstep is None:
            return Driver(self.stage, ledger, self._watch, listener)
        return FaultyDriver(misstep, self.stage, ledger, self._watch, listener, tags=self._tags)


def _record(outcome: Outcome) -> None:
    steps: list[Json] = [
        {"step": one.step, "mark": one.mark, "at_s": round(one.at - outcome.began, 2)}
        for one in outcome.steps
        if one.mark != "begun"
    ]
    record(
        Observation(
            subject=f"{outcome.operation} of {outcome.version}: {outcome.result}",
            data={
                "before": outcome.before,
                "serving": outcome.serving,
                "why": outcome.why[:_SHOWN],
                "steps": steps,
                "switch_s": _rounded(outcome.seconds(Step.SWITCH)),
                "recovery_s": _rounded(outcome.recovery_s),
                "seconds": _rounded(outcome.ended - outcome.began),
            },
        )
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
