"""Which containers stand at which colour of a topology, and which release they are, as Docker tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from harness.contract import Contract, Releasing, Replicated
from harness.errors import ReleaseError, StageError
from harness.releases.stage import Colour, Release
from harness.runtimes.edge import Edge
from harness.runtimes.engine import Box, Engine, Place, Request
from harness.runtimes.files import room_on_disk
from harness.runtimes.handing import open_to_all
from harness.runtimes.launch import resolve
from harness.runtimes.likeness import like
from harness.runtimes.realised import OVERLAY, each, remove_in_turn
from harness.runtimes.schemas import schema_of

VERSION: Final = "panotti.release.version"
SCHEMA: Final = "panotti.release.schema"
REPLICAS: Final = "panotti.release.replicas"
MIGRATION: Final = "panotti.release.migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One container. told: as `docker inspect` describes it."""

    box: Box
    told: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        return self.told["Config"]["Labels"] or {}

    @property
    def runs(self) -> bool:
        return bool(self.told["State"]["Running"])

    def mounted(self, path: str) -> Path | None:
        """Where on this machine what it has mounted at a path stands."""
        found = (one["Source"] for one in self.told["Mounts"] if one["Destination"] == path)
        return next(map(Path, found), None)


class Colours:
    """The containers of one topology with two colours. Raises `StageError` where there is none."""

    def __init__(
        self,
        engine: Engine,
        contract: Contract,
        network: str,
        *,
        edge: Callable[[], Box] | None = None,
    ) -> None:
        """network: the one in which edge and application meet, by Docker's name.

        edge: returns the edge's container, where it is known; else it is looked for once.
        """
        topology = contract.launch.topology
        if topology is None or topology.release is None:
            raise StageError(
                "the contract does not say how one release takes the place of another",
                remedy="Say it in launch.topology.release.",
            )
        self.engine = engine
        self.contract = contract
        self.network = network
        self.topology: Replicated = topology
        self.releasing: Releasing = topology.release
        # What a defect has laid over an image goes with its last replica, and comes back with the next one.
        self._seen: dict[str, Standing] = {}
        self._known_edge = edge

    @classmethod
    def find(cls, engine: Engine, contract: Contract) -> Colours:
        """Return the topology of a run, of which there is one."""
        names = {
            name
            for one in map(_standing, engine.boxes())
            for name, place in one.told["NetworkSettings"]["Networks"].items()
            if _colour(contract, place) is not None
        }
        if len(names) != 1:
            raise StageError(
                f"the run has {len(names)} deployments with two colours, and not one",
                remedy="Bring one up: harness up production.",
            )
        return cls(engine, contract, names.pop())

    @property
    def edge(self) -> Edge:
        """The edge: what is told which colour serves."""
        return Edge(self._known_edge()) if self._known_edge else self._found_edge

    @cached_property
    def _found_edge(self) -> Edge:
        for one in self._members():
            if one.mounted(Edge.FOLDER) is not None:
                return Edge(one.box)
        raise StageError(f"the network {self.network} has no edge that knows of colours")

    def at(self, colour: Colour) -> list[Standing]:
        """Return what stands at a colour, also what has ended, the oldest first."""
        return self.both()[colour]

    def both(self) -> dict[Colour, list[Standing]]:
        """Return what stands at each colour, as `at` does."""
        found: dict[Colour, list[Standing]] = {colour: [] for colour in Colour}
        for one in self._members():
            colour = _colour(self.contract, self._place(one))
            if colour is not None:
                found[colour].append(one)
        return found

    def address(self, one: Standing) -> str:
        """The address at which the edge reaches a replica; "" for one that has ended."""
        return str(self._place(one)["IPAddress"])

    def settings(self, one: Standing) -> str:
        """Return the text of a replica's settings file."""
        path = Path(self.contract.launch.paths.config)
        folder = one.mounted(str(path.parent))
        if folder is None:
            raise StageError(f"a replica has nothing mounted at {path.parent}")
        try:
            return (folder / path.name).read_text(encoding="utf-8")
        except OSError as cause:
            raise StageError(f"the settings of a replica: {cause}") from None

    def schema(self, image: str) -> str:
        """Return the newest revision of the schema that an image, an id, knows. Raises `ReleaseError`."""
        return schema_of(image, self.releasing.schema, lambda: self._told_schema(image))

    def _told_schema(self, image: str) -> str:
        request = replace(self._like(image), command=self.releasing.schema)
        # It imports the server, as a start does, which a busy machine is given that long for.
        status, said = self._ask(request, within_s=self.contract.launch.ready_within_s)
        if status != 0 or len(said.split()) != 1:
            raise ReleaseError(
                f"{image[:19]} does not tell its schema by {' '.join(self.releasing.schema)}: {said[-200:]}",
                remedy="Name an image of this server.",
            )
        return said.strip()

    def migrate(self, release: Release, phase: str, *, within_s: float) -> None:
        """Run a release's migration to its end."""
        for one in self._members():
            if MIGRATION in one.labels:
                one.box.remove()
        words = {str(n): word for n, word in enumerate(self.releasing.migrate)}
        request = replace(
            self._request(release),
            command=tuple(resolve(words, {"phase": phase}).values()),
            labels={MIGRATION: phase},
        )
        status, said = self._ask(request, within_s=within_s)
        if status != 0:
            what = f"the migration of {release.told} ({phase}) ended with status {status}"
            raise StageError(f"{what}; its last lines:\n{last_lines(said)}")

    def start(self, colour: Colour, release: Release, number: int) -> list[Box]:
        """Start the replicas of a release at a colour, in place of what stands there, and do not wait."""
        labels = {VERSION: release.version, SCHEMA: release.schema, REPLICAS: str(number)}
        request = replace(self._request(release), labels=labels)
        name = self.topology.application
        places = [
            replace(place, aliases=(name, f"{name}-{colour}")) if place.network == self.network else place
            for place in self._places()
        ]
        remove_in_turn(one.box for one in self.at(colour))
        return each(lambda _: self.engine.place(request, {}, places), range(number))

    def _members(self) -> list[Standing]:
        return [*map(_standing, self.engine.boxes(self.network))]

    def _place(self, one: Standing) -> Mapping[str, Any]:
        place: Mapping[str, Any] = one.told["NetworkSettings"]["Networks"][self.network]
        return place

    def _example(self, image: str) -> Standing:
        """A replica to do as: one of the same image where one has been seen, else any."""
        found = [one for standing in self.both().values() for one in standing]
        if not found:
            raise StageError("no replica stands at either colour", remedy="harness down, and up again.")
        for one in found:
            self._seen.setdefault(one.told["Image"], one)
        return self._seen.get(image, found[0])

    def _places(self) -> list[Place]:
        """The networks of a replica, the first one first."""
        return [Place(network=name) for name in self._example("").told["NetworkSettings"]["Networks"]]

    def _like(self, image: str) -> Request:
        example = self._example(image)
        request = like(example.told, self.engine.image(example.told["Image"]))
        if example.told["Image"] == image:
            return request
        # What a defect lays over the image that was brought up is no part of another one.
        return replace(
            request,
            image=image,
            mounts=tuple(mount for mount in request.mounts if mount[1] != OVERLAY),
            environment={
                name: value
                for name, value in request.environment.items()
                if (name, value) != ("PYTHONPATH", OVERLAY)
            },
        )

    def _request(self, release: Release) -> Request:
        request = self._like(release.image)
        inside = str(Path(self.contract.launch.paths.config).parent)
        folder = self._written(release)
        others = [mount for mount in request.mounts if mount[1] != inside]
        own = resolve(self.releasing.env, {"version": release.version})
        return replace(
            request,
            mounts=(*others, (str(folder), inside, "ro")),
            environment={**request.environment, **own},
        )

    def _written(self, release: Release) -> Path:
        """The folder with a release's settings file, written where it is not there yet."""
        path = Path(self.contract.launch.paths.config)
        beside = self._example("").mounted(str(path.parent))
        if beside is None:
            raise StageError(f"a replica has nothing mounted at {path.parent}")
        folder = beside.parent / f"config-{release.configuration_sha256[:12]}"
        with room_on_disk(folder):
            folder.mkdir(mode=0o700, exist_ok=True)
            fresh = folder / f".{path.name}"
            fresh.write_text(release.configuration, encoding="utf-8")
            fresh.replace(folder / path.name)
            open_to_all(folder)
        return folder

    def _ask(self, request: Request, *, within_s: float) -> tuple[int, str]:
        """Run a container to its end, without a name that others know; return its status and what it said."""
        box = self.engine.place(request, {}, self._places())
        try:
            return box.wait(within_s), box.logs()
        finally:
            box.remove()


def last_lines(said: str, number: int = 25) -> str:
    """Return the end of what a container printed, for a message."""
    lines = said.rstrip().splitlines()[-number:]
    return "\n".join(f"  | {line}" for line in lines) or "  | (it printed nothing)"


def _standing(box: Box) -> Standing:
    return Standing(box=box, told=box.found)


def _colour(contract: Contract, place: Mapping[str, Any]) -> Colour | None:
    """The colour of a place in a network, by the name under which the edge looks for it."""
    topology = contract.launch.topology
    names = set(place.get("Aliases") or ())
    found = (one for one in Colour if topology and f"{topology.application}-{one}" in names)
    return next(found, None)
