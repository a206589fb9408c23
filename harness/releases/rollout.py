"""Puts a release into service in place of another, and takes it back by itself where it does not serve well.

    release   expand, start, verify, switch, watch
    rollback  start (nothing to do while it is warm), verify, switch, watch
    contract  retire, contract: once nobody is to return to what served before

A step that fails leads back: return (clients go to what served before), discard. Each step is written down
before it is taken, so that `resume` can go on with what a killed driver had begun.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from harness.errors import ReleaseError, StageError
from harness.policy.releases import Watch
from harness.releases.choosing import check_kept, check_new, version_before
from harness.releases.entries import (
    Begun,
    Ended,
    Entry,
    Known,
    Mark,
    Operation,
    Outcome,
    Result,
    State,
    Step,
    Stepped,
    Unfinished,
)
from harness.releases.judging import Judge
from harness.releases.ledger import Ledger, now
from harness.releases.stage import Colour, Release, Sample, Stage

STEPS: Final[dict[Operation, tuple[Step, ...]]] = {
    "adopt": (),
    "release": (Step.EXPAND, Step.START, Step.VERIFY, Step.SWITCH, Step.WATCH),
    "rollback": (Step.START, Step.VERIFY, Step.SWITCH, Step.WATCH),
    "contract": (Step.RETIRE, Step.CONTRACT),
}
BACK: Final = (Step.RETURN, Step.DISCARD)
Listener = Callable[[Stepped | Ended | Sample], None]


def adoption(state: State, stage: Stage) -> tuple[Entry, ...]:
    """Return the entries for a release that serves without the ledger saying so; none where it says so.

    Raises `ReleaseError` where another release of that version is known.
    """
    colour = stage.serving()
    found = None if colour is None else stage.release_of(colour)
    if colour is None or found is None:
        return ()
    known = state.releases.get(found.version)
    if known is not None and known != found:
        raise ReleaseError(
            f"{found.told} serves, and the ledger has {known.told}",
            remedy="Somebody put it there by hand: put a release into service under another version.",
        )
    if state.serving == found.version:
        return ()
    begun = Begun(operation="adopt", version=found.version, before=None, colour=colour, at=now())
    first = () if known else (Known(release=found, at=now()),)
    return (*first, begun, Ended(result="taken", at=now()))


class Driver:
    """Drives one stage by one ledger. listener: is told of every step and of what is seen of the traffic."""

    def __init__(
        self, stage: Stage, ledger: Ledger, limits: Watch, listener: Listener = lambda _: None
    ) -> None:
        self._stage = stage
        self._ledger = ledger
        self._limits = limits
        self._tell = listener

    def release(self, release: Release) -> Outcome:
        """Put a release into service. Raises `ReleaseError` where it cannot even be tried."""
        self._adopt()
        check_new(self._ledger.state, release)
        if release.version not in self._ledger.state.releases:
            self._ledger.add(Known(release=release, at=now()))
        return self._begin("release", release.version)

    def rollback(self, version: str | None = None) -> Outcome:
        """Return to a kept release, without a version to the one before. Raises `ReleaseError`."""
        self._adopt()
        wanted = version or version_before(self._ledger.state)
        check_kept(self._ledger.state, wanted)
        return self._begin("rollback", wanted)

    def contract(self) -> Outcome:
        """Remove from the schema what only older releases use; none of them can be returned to after it."""
        self._adopt()
        serving = self._ledger.state.serving
        if serving is None:
            raise ReleaseError(
                "nothing serves", remedy="Put a release into service: harness release VERSION."
            )
        return self._begin("contract", serving)

    def resume(self) -> Outcome | None:
        """Bring to an end what another driver had begun, None where nothing is unfinished."""
        unfinished = self._ledger.state.unfinished
        if unfinished is None:
            return None
        if unfinished.begun.operation == "adopt":
            self._end("taken")
            return None
        return self._carry_out()

    def _adopt(self) -> None:
        """Enter the release that serves already, where the ledger does not say so."""
        state = self._ledger.state
        if state.unfinished is not None:
            raise ReleaseError(
                f"the {state.unfinished.begun.operation} of {state.unfinished.begun.version} is unfinished",
                remedy="Bring it to an end first: harness release --resume.",
            )
        for entry in adoption(state, self._stage):
            self._ledger.add(entry)

    def _begin(self, operation: Operation, version: str) -> Outcome:
        serving = self._stage.serving()
        colour = Colour.BLUE if serving is None else serving.other
        begun = Begun(
            operation=operation,
            version=version,
            before=self._ledger.state.serving if serving else None,
            colour=serving if operation == "contract" and serving else colour,
            at=now(),
        )
        self._ledger.add(begun)
        return self._carry_out()

    @property
    def _under_way(self) -> Unfinished:
        found = self._ledger.state.unfinished
        assert found is not None, "an operation has begun and not ended"
        return found

    def _carry_out(self) -> Outcome:
        """Take the steps that are left; where one has failed, or fails, the steps back."""
        begun = self._under_way.begun
        if not self._under_way.why:
            try:
                for step in STEPS[begun.operation]:
                    # What was verified before a driver was killed is not known to hold now.
                    if step is Step.VERIFY or not self._under_way.done(step):
                        self._take(step)
            except StageError:
                pass
        if not self._under_way.why:
            return self._end("taken")
        if begun.operation == "contract":
            return self._end("failed", self._under_way.why)
        for step in BACK:
            self._take(step)
        back = begun.before is not None and self._stage.serving() is begun.colour.other
        return self._end("returned" if back else "failed", self._under_way.why)

    def _take(self, step: Step) -> None:
        self._note(step, "begun")
        try:
            self._do(step, self._under_way.begun)
        except StageError as failure:
            self._note(step, "failed", str(failure))
            raise
        self._note(step, "done")

    def _do(self, step: Step, begun: Begun) -> None:
        stage, colour = self._stage, begun.colour
        release = self._ledger.state.releases[begun.version]
        steps: dict[Step, Callable[[], None]] = {
            Step.EXPAND: lambda: self._expand(release),
            Step.START: lambda: stage.start(colour, release),
            Step.VERIFY: lambda: self._verify(colour, release),
            Step.SWITCH: lambda: stage.switch(colour),
            Step.WATCH: lambda: self._watch(colour),
            Step.RETIRE: lambda: stage.retire(colour.other),
            Step.CONTRACT: lambda: stage.migrate(release, "contract"),
            Step.RETURN: lambda: self._return(begun),
            Step.DISCARD: lambda: self._discard(colour),
        }
        steps[step]()

    def _expand(self, release: Release) -> None:
        """Migrate, unless a release has served that knows the same schema: then the database has it."""
        state = self._ledger.state
        if release.schema not in {state.releases[version].schema for version in state.taken}:
            self._stage.migrate(release, "expand")

    def _verify(self, colour: Colour, release: Release) -> None:
        found = self._stage.release_of(colour)
        if found != release:
            raise StageError(f"{colour} has {found.told if found else 'no release'}, and not {release.told}")
        self._stage.verify(colour)

    def _watch(self, colour: Colour) -> None:
        judge = Judge(colour=colour, limits=self._limits)
        for sample in self._stage.watch(self._limits.at_most_s):
            self._tell(sample)
            if wrong := judge.take(sample):
                raise StageError(wrong)
            if judge.enough:
                break
        if wrong := judge.conclude():
            raise StageError(wrong)

    def _return(self, begun: Begun) -> None:
        """Send clients back, where they were sent to the release that failed and another served before it."""
        if begun.before is None or self._stage.serving() is not begun.colour:
            return
        back, before = begun.colour.other, self._ledger.state.releases[begun.before]
        if self._stage.release_of(back) != before:
            self._stage.start(back, before)
        self._stage.switch(back)

    def _discard(self, colour: Colour) -> None:
        if self._stage.serving() is not colour:
            self._stage.retire(colour)

    def _note(self, step: Step, mark: Mark, why: str = "") -> None:
        self._enter(Stepped(step=step, mark=mark, why=why, at=now()))

    def _enter(self, entry: Stepped | Ended) -> None:
        self._ledger.add(entry)
        self._tell(entry)

    def _end(self, result: Result, why: str = "") -> Outcome:
        begun, steps = self._under_way.begun, self._under_way.steps
        ended = Ended(result=result, why=why, at=now())
        self._enter(ended)
        return Outcome(
            operation=begun.operation,
            version=begun.version,
            before=begun.before,
            result=ended.result,
            why=ended.why,
            serving=self._ledger.state.serving,
            steps=steps,
            began=begun.at,
            ended=ended.at,
        )
