"""Drivers that go wrong in one way each: the counterexamples of the checks on releases and rollbacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from harness.defects import Misstep
from harness.errors import StageError
from harness.policy.releases import Watch
from harness.releases.entries import Begun, Outcome, Step
from harness.releases.ledger import Ledger
from harness.releases.rollout import Driver, Listener
from harness.releases.stage import Stage

# Steps that are entered as done, and not taken.
_LEFT_OUT: Final[Mapping[Misstep, Collection[Step]]] = {
    "unverified": (Step.VERIFY,),
    "by health": (Step.VERIFY,),
    "unwatched": (Step.WATCH,),
    "stays": (Step.RETURN, Step.DISCARD),
    "by tag": (Step.VERIFY,),
    "new settings": (Step.VERIFY,),
}


class FaultyDriver(Driver):
    """A driver with one misstep."""

    def __init__(
        self,
        misstep: Misstep,
        stage: Stage,
        ledger: Ledger,
        limits: Watch,
        listener: Listener,
        *,
        tags: Mapping[str, str],
    ) -> None:
        """tags: the tag that each version was built under."""
        super().__init__(stage, ledger, limits, listener)
        self._misstep = misstep
        self._tags = tags

    def resume(self) -> Outcome | None:
        """Bring to an end what another driver had begun, unless this one forgets what it began."""
        return None if self._misstep == "forgetful" else super().resume()

    def _do(self, step: Step, begun: Begun) -> None:
        if step in _LEFT_OUT.get(self._misstep, ()):
            return
        match self._misstep, step:
            case "unverified", Step.START:
                with suppress(StageError):
                    super()._do(step, begun)
            case "unverified", Step.SWITCH:
                self._stage.force(begun.colour)
            case "by tag", Step.START:
                self._start_by_tag(begun)
            case "new settings", Step.START:
                self._start_with_settings_of_what_serves(begun)
            case "abrupt", Step.SWITCH:
                self._stage.kill(begun.colour.other)
                super()._do(step, begun)
            case "cold", Step.SWITCH:
                super()._do(step, begun)
                self._stage.retire(begun.colour.other)
            case _:
                super()._do(step, begun)

    def _start_by_tag(self, begun: Begun) -> None:
        """Start what the release's tag stands for now."""
        kept = self._ledger.state.releases[begun.version]
        tag = self._tags.get(kept.version)
        found = self._stage.identify(kept.version, tag, kept.configuration) if tag else kept
        self._stage.start(begun.colour, found)

    def _start_with_settings_of_what_serves(self, begun: Begun) -> None:
        releases = self._ledger.state.releases
        kept, before = releases[begun.version], releases[begun.before or begun.version]
        settings = before.configuration if begun.operation == "rollback" else kept.configuration
        self._stage.start(begun.colour, replace(kept, configuration=settings))
