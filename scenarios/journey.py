"""What a client of PanottiServer does: begins a recording, reads it back, ends it, lists them.

Weights: a recording is begun, read and ended equally often, and the list is looked at as often as each. A
target without a route for a step does the rest.
"""

from __future__ import annotations

import random
import secrets
from collections import deque

from harness.load.generator import Arrival, OpenUser, Wrong, step

_REMEMBERED = 1000


class Recordings(OpenUser):
    """The journey, without a shape."""

    abstract = True

    def on_start(self) -> None:
        """Begin with nothing recorded."""
        super().on_start()
        self._open: deque[str] = deque()
        self._known: deque[str] = deque(maxlen=_REMEMBERED)

    @step(weight=1, name="start")
    def begin(self, arrival: Arrival) -> None:
        """Begin a recording with a fresh id and a fresh idempotency key."""
        self._begin(arrival)

    @step(weight=1, name="read")
    def look(self, arrival: Arrival) -> None:
        """Read a recording back that was acknowledged."""
        if "read" not in self.paths or not self._known:
            self._begin(arrival)
            return
        recording = random.choice(self._known)  # noqa: S311 - a choice, no secret
        answer = arrival.ask("GET", self.paths["read"].replace("{recording_id}", recording))
        if answer.get("recording_id") != recording:
            raise Wrong("another recording in the answer")

    @step(weight=1, name="end")
    def finish(self, arrival: Arrival) -> None:
        """End the recording that was begun longest ago."""
        if not self._open:
            self._begin(arrival)
            return
        recording = self._open.popleft()
        body = {
            "recordingId": recording,
            "metadata": {"title": "load"},
            "systemAudioPath": "/audio/system.wav",
            "microphoneAudioPath": "/audio/microphone.wav",
        }
        fields = {"Idempotency-Key": secrets.token_hex(16)}
        arrival.ask("POST", self.paths["ended"], json=body, headers=fields, write=("ended", recording))

    @step(weight=1, name="list")
    def survey(self, arrival: Arrival) -> None:
        """Look at the newest recordings."""
        if "list" not in self.paths:
            self._begin(arrival)
            return
        arrival.ask("GET", self.paths["list"])

    def _begin(self, arrival: Arrival) -> None:
        """Begin a recording; also in place of a step for which there is none yet, and counted as a start."""
        arrival.name = "start"
        recording = f"load-{secrets.token_hex(8)}"
        # It may be ended before its start is answered: slow answers must not change what is asked.
        self._open.append(recording)
        answer = arrival.ask(
            "POST",
            self.paths["started"],
            json={"recordingId": recording, "metadata": {"title": "load"}},
            headers={"Idempotency-Key": secrets.token_hex(16)},
            write=("started", recording),
        )
        self._known.append(recording)
        if answer.get("recording_id") != recording:
            raise Wrong("another recording's id in the answer")
