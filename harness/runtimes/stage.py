"""The stage of a topology: two colours of the application behind HAProxy, as Docker has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Final
from urllib.parse import urlsplit

from harness.contract import Contract
from harness.errors import ProbeFailed, ReleaseError, RuntimeUnavailable, StageError
from harness.load.order import Reach
from harness.releases.stage import Colour, Phase, Release, Sample, Traffic
from harness.runtimes.asking import Asking
from harness.runtimes.colours import REPLICAS, SCHEMA, VERSION, Colours, Standing, last_lines
from harness.runtimes.edge import Counted, Edge
from harness.runtimes.engine import Engine
from harness.runtimes.realised import each

_LOOK_S: Final = 0.1
_SAMPLE_S: Final = 0.2
_DRAINED_S: Final = 30.0  # longer than any request may take
_MIGRATED_S: Final = 600.0
_STOPPED_S: Final = 15.0


@contextmanager
def attached(run_id: str, contract: Contract, reach: Reach) -> Iterator[ContainerStage]:
    """Yield the stage of a deployment that another process has brought up and left."""
    engine = Engine(run_id)
    try:
        yield ContainerStage(Colours.find(engine, contract), reach)
    finally:
        engine.close()


class ContainerStage:
    """See `harness.releases.stage.Stage`. changed: is told when containers have come or gone."""

    def __init__(
        self,
        colours: Colours,
        reach: Reach,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """reach: how clients reach the edge, with an administrator's key."""
        self._colours = colours
        self._reach = reach
        self._changed = changed
        self._schemas: dict[str, str] = {}

    def serving(self) -> Colour | None:
        """Return the colour to which the edge sends clients."""
        with _staged():
            return self._edge.serving()

    def release_of(self, colour: Colour) -> Release | None:
        """Return the release that stands at a colour, all of it running; None for none, or part of one."""
        with _staged():
            return self._release_of(self._colours.at(colour))

    def identify(self, version: str, image: str, configuration: str) -> Release:
        """Return what `image`, a tag or an id, stands for now. Raises `ReleaseError` for no such image."""
        with _staged():
            found = self._colours.engine.image_id(image)
            if found is None:
                raise ReleaseError(
                    f"there is no image {image}", remedy="Build it first; `docker images` lists what is here."
                )
            schema = self._schemas.get(found) or self._colours.schema(found)
        self._schemas[found] = schema
        return Release(version=version, image=found, configuration=configuration, schema=schema)

    def migrate(self, release: Release, phase: Phase) -> None:
        """Migrate the database in a container of the release's own, within one transaction."""
        with _staged():
            self._colours.migrate(release, phase, within_s=_MIGRATED_S)

    def start(self, colour: Colour, release: Release) -> None:
        """Put a release at a colour, in place of what stands there, and wait until it is ready."""
        with _staged():
            standing = self._colours.both()
            if self._release_of(standing[colour]) == release:
                self._await_ready(colour, release)
                return
            self._insist_idle(colour)
            number = sum(one.runs for one in standing[colour.other]) or len(standing[colour])
            boxes = self._colours.start(colour, release, number)
            self._changed()
            self._await_ready(colour, release)
            # Not before: a release that ends at once is not to be tried again and again.
            each(lambda box: box.update(restart_policy={"Name": "unless-stopped"}), boxes)

    def verify(self, colour: Colour) -> None:
        """Ask each replica itself: ready, version, schema; a write to the first is read from the last."""
        with _staged():
            standing = self._colours.at(colour)
            release = self._release_of(standing)
            if release is None:
                raise StageError(f"no whole release stands at {colour}")
            replicas = [self._replica(one) for one in standing]
            for replica in replicas:
                replica.check(release)
            replicas[-1].read(replicas[0].write())

    def switch(self, colour: Colour) -> None:
        """Send every client to a colour from one moment on; wait until the other has nothing to answer."""
        with _staged(), self._edge.conversing() as edge:
            before = edge.serving()
            if not edge.up(colour):
                raise StageError(f"the edge finds no replica of {colour} ready")
            try:
                edge.serve(colour)
                self._await_idle(edge, colour.other)
            except BaseException:
                if before is not None:
                    with suppress(ProbeFailed, RuntimeUnavailable):
                        self._edge.serve(before)
                raise
        self._changed()

    def watch(self, seconds: float, *, asking: bool = True) -> Iterator[Sample]:
        """Yield a sample several times a second. asking: the edge is asked 50 times in each second too."""
        with _staged(), self._edge.conversing() as edge:
            place = urlsplit(self._reach.base_url)
            client = self._asking(place.hostname or "", place.port or 443)
            with client.steadily() if asking else nullcontext():
                before, over = edge.counted(), time.monotonic() + seconds
                while time.monotonic() < over:
                    time.sleep(_SAMPLE_S)
                    after = edge.counted()
                    yield Sample(at=time.time(), traffic=_passed(before, after))
                    before = after

    def retire(self, colour: Colour) -> None:
        """Stop a colour as an orchestrator does, and remove it. Raises for the one that serves."""
        with _staged():
            self._insist_idle(colour)
            each(_stop, self._colours.at(colour))
        self._changed()

    def force(self, colour: Colour) -> None:
        """Send every client to a colour, ready or not: a fault."""
        with _staged():
            self._edge.serve(colour)
        self._changed()

    def kill(self, colour: Colour) -> None:
        """End every replica of a colour at once, and leave it so: a fault."""
        with _staged():
            each(lambda one: one.box.signal("SIGKILL"), [one for one in self._colours.at(colour) if one.runs])

    @property
    def _edge(self) -> Edge:
        return self._colours.edge

    def _release_of(self, standing: list[Standing]) -> Release | None:
        if not standing or not all(one.runs for one in standing):
            return None
        first, wanted = standing[0], standing[0].labels.get(REPLICAS)
        if wanted is not None and int(wanted) != len(standing):
            return None
        version, schema = first.labels.get(VERSION), first.labels.get(SCHEMA)
        if version is None or schema is None:
            # Brought up with the topology: it says itself what it is.
            version, schema = self._replica(first).version()
        found = [
            Release(
                version=one.labels.get(VERSION, version),
                image=one.told["Image"],
                configuration=self._colours.settings(one),
                schema=schema,
            )
            for one in standing
        ]
        return found[0] if all(one == found[0] for one in found) else None

    def _insist_idle(self, colour: Colour) -> None:
        """Refuse to touch what serves; let the edge remember what serves, whoever was killed meanwhile."""
        serving = self._edge.serving()
        if serving is colour:
            raise StageError(f"{colour} serves: clients are to be sent elsewhere first")
        if serving is not None:
            self._edge.remember(serving)

    def _await_ready(self, colour: Colour, release: Release) -> None:
        """Wait until each replica says so itself, and the edge has found it.

        Neither alone will do: for a while the edge takes a replica for one that had its address before. What
        answers has started, however busy the machine, and is given less time than what does not yet.
        """
        waiting = self._colours.at(colour)
        deadline, answering = time.monotonic() + self._colours.contract.launch.ready_within_s, False
        with self._edge.conversing() as edge:
            while waiting:
                _insist_running(waiting, release)
                said = {one.box.id: self._replica(one).ready() for one in waiting}
                if not answering and None not in said.values():
                    deadline, answering = time.monotonic() + self._colours.releasing.ready_within_s, True
                known = edge.up(colour)
                waiting = [
                    one for one in waiting if not said[one.box.id] or self._colours.address(one) not in known
                ]
                if waiting and time.monotonic() > deadline:
                    raise StageError(
                        f"{release.told} was not ready in time; the last lines of a replica:\n"
                        f"{last_lines(waiting[0].box.logs())}"
                    )
                time.sleep(_LOOK_S if waiting else 0)

    def _await_idle(self, edge: Edge, colour: Colour) -> None:
        deadline = time.monotonic() + _DRAINED_S
        while left := edge.counted()[colour].in_flight:
            if time.monotonic() > deadline:
                raise StageError(f"{left} requests are still under way at {colour} after {_DRAINED_S:g} s")

    def _replica(self, one: Standing) -> Asking:
        return self._asking(self._colours.address(one), self._colours.contract.launch.port)

    def _asking(self, host: str, port: int) -> Asking:
        tls = self._reach.base_url.startswith("https:")
        return Asking(self._colours.contract, self._reach, host, port, tls=tls)


def _passed(before: Mapping[Colour, Counted], after: Mapping[Colour, Counted]) -> dict[Colour, Traffic]:
    found = {}
    for colour, now in after.items():
        then = before[colour]
        requests = now.requests - then.requests
        found[colour] = Traffic(
            requests=requests,
            errors=now.errors - then.errors,
            latency_ms=(now.spent_ms - then.spent_ms) / requests if requests else 0.0,
        )
    return found


def _insist_running(standing: list[Standing], release: Release) -> None:
    for one in standing:
        status = one.box.exit_status()
        if status is not None:
            raise StageError(
                f"a replica of {release.told} ended with status {status} before it was ready; "
                f"its last lines:\n{last_lines(one.box.logs())}"
            )


def _stop(one: Standing) -> None:
    if one.runs:
        one.box.signal(one.told["Config"].get("StopSignal") or "SIGTERM")
        with suppress(ProbeFailed):
            one.box.wait(_STOPPED_S)
    one.box.remove()


@contextmanager
def _staged() -> Iterator[None]:
    """Say of whatever does not answer that a step of a rollout did not succeed."""
    try:
        yield
    except (ProbeFailed, RuntimeUnavailable) as cause:
        raise StageError(cause.what, remedy=cause.remedy) from None
