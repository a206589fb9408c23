"""The rollout probes of one deployment: one for each set of defects that its releases are tried with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from harness.defects import Variation
from harness.errors import StageError
from harness.outcome import not_verified
from harness.policy.releases import Watch
from harness.probes.rollout import RolloutProbe
from harness.probes.writes import WriteProbe
from harness.releases.stage import Release, Stage

if TYPE_CHECKING:
    from harness.runtimes.workshop import Workshop


class Rollouts:
    """Keeps the probes of a deployment apart: each has releases, rehearsals and a ledger of its own.

    Raises NotVerified where no release serves.
    """

    def __init__(self, stage: Stage, watch: Watch, writes: WriteProbe, workshop: Workshop) -> None:
        self._stage = stage
        self._watch = watch
        self._writes = writes
        self._workshop = workshop
        self._probes: dict[str, RolloutProbe] = {}
        self._first: Final = self._found()

    def probe(self, planted: Variation) -> RolloutProbe:
        """Return the probe for a set of defects. A new one begins with the release that stood here first.

        Raises NotVerified where that one cannot be returned to.
        """
        if planted.key not in self._probes:
            if self._probes and not self.restore():
                not_verified(f"{self._first.version} could not be returned to")
            self._probes[planted.key] = RolloutProbe(
                self._stage, self._watch, self._writes, self._workshop, first=self._first, planted=planted
            )
        return self._probes[planted.key]

    def restore(self) -> bool:
        """Let the release serve that stood here first, by the stage alone: a driver may be the defect.

        Return whether it serves, and keeps a write. The ledgers begin anew: they do not tell what stands now.
        """
        try:
            self._return()
        except StageError:
            return False
        for probe in self._probes.values():
            probe.begin_ledger()
        return True

    def forget(self) -> None:
        """Let every rehearsal be done anew."""
        for probe in self._probes.values():
            probe.forget()

    def close(self) -> None:
        """Forget the ledgers, and the tags of images."""
        for probe in self._probes.values():
            probe.close()

    def _found(self) -> Release:
        colour = self._stage.serving()
        found = None if colour is None else self._stage.release_of(colour)
        if found is None:
            not_verified("no release serves")
        return found

    def _return(self) -> None:
        serving = self._stage.serving()
        if serving is None:
            raise StageError("the edge sends clients to no colour")
        stands = self._stage.release_of(serving) == self._first
        colour = serving if stands else serving.other
        self._stage.start(colour, self._first)
        self._stage.verify(colour)
        if not stands:
            self._stage.switch(colour)
