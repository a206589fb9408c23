"""The runtime `containers`: the target in hardened containers, ports on 127.0.0.1 only."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.defects import Edit
from harness.errors import ContractError
from harness.runtimes import IMAGE, CannotShow, Deployment, RuntimeName, Specification, relay
from harness.runtimes.bringup import LocalRuntime
from harness.runtimes.container_deployment import RELAY_PORT, ContainerDeployment
from harness.runtimes.engine import Box, Engine, Place, Request, RunNetwork
from harness.runtimes.files import CERTIFICATE_NAME, KEY_NAME, Folders, room_on_disk, write_files
from harness.runtimes.handing import hand_over, open_to_all
from harness.runtimes.hardening import LOOPBACK, Hardening, harden, tmpfs
from harness.runtimes.image_only import ImageOnly
from harness.runtimes.images import Builder
from harness.runtimes.launch import ADDRESSES, Plan, resolve
from harness.runtimes.overlay import lay, write_package
from harness.runtimes.realised import each
from harness.runtimes.revision import revision
from harness.runtimes.topology import realise
from harness.runtimes.topology_deployment import TopologyDeployment
from harness.runtimes.workshop import Workshop
from harness.target import Address, Image, Reference, Source

ANY_HOST = "0.0.0.0"  # noqa: S104  inside the container; published on 127.0.0.1
OVERLAY = "/overlay"
# Docker's own addresses end below .128; the addresses that checks name are given from here on.
_FIRST_ADDRESS, _LAST_ADDRESS = 128, 254
Addresses = dict[str, str]
# The topology's own images, by their folder in deploy/images, and the variable that names each.
COMPONENTS: Final = {
    "haproxy": "PANOTTI_EDGE_IMAGE",
    "postgres": "PANOTTI_POSTGRES_IMAGE",
    "redis": "PANOTTI_REDIS_IMAGE",
}


class ContainersRuntime(LocalRuntime):
    """Starts the target from an image, on a network of this run."""

    name: RuntimeName = "containers"
    replicated = True
    engine: Engine
    image: str
    components: Mapping[str, str]
    _builder: Builder
    _network: RunNetwork | None = None
    _free: list[int]
    _numbers: threading.Lock
    _saving: threading.Lock

    def _prepare(self) -> None:
        self.engine = Engine(self.workspace.run_id)
        self._builder = Builder(engine=self.engine, workspace=self.workspace, progress=self.progress)
        match self.target:
            case Reference():
                self.image = self._builder.reference()
                if self.target.contract.launch.topology:
                    self.components = self._component_images({})
            case Source():
                self.image = self._builder.source(self.target)
            case Image():
                self.image = self._builder.given(self.target)
            case Address(url=url):
                raise ContractError(f"{url} is up already", remedy="Use --runtime external.")
        self._network = self.engine.network()
        self._free = list(range(_LAST_ADDRESS, _FIRST_ADDRESS - 1, -1))
        self._numbers = threading.Lock()
        self._saving = threading.Lock()

    def start(self, specification: Specification) -> Deployment:
        """Bring one up and return it ready; where only the image is asked for, return that."""
        if specification.instance != IMAGE:
            return super().start(specification)
        self.prepare()
        edits = (change for change in specification.variation.changes if isinstance(change, Edit))
        image = self._image_by(lay(edits, specification.profile).dockerfile)
        return ImageOnly(
            specification,
            described=lambda: self.engine.image(image),
            export=lambda: self.export(image),
        )

    def try_build(self, specification: Specification) -> str | None:
        """Build with a package that is not the lock's; return the refusal, None when it was built."""
        if not isinstance(self.target, Reference):
            raise CannotShow("how the target's image is built is not known: the recipe is the reference's")
        self.prepare()
        edits = (change for change in specification.variation.changes if isinstance(change, Edit))
        return self._builder.refusal_of_another_wheel(lay(edits, specification.profile).dockerfile)

    def workshop(self, profile: str) -> Workshop:
        """Return where images of other releases of the reference are made."""
        if not isinstance(self.target, Reference):
            raise CannotShow("the releases that are tried are the reference's")
        self.prepare()
        folder = str(Path(self.target.contract.launch.paths.code).parent)
        return Workshop(builder=self._builder, image=self.image, folder=folder, profile=profile)

    def _release(self) -> None:
        network, self._network = self._network, None
        if network is not None:
            network.remove()
            self.engine.close()

    @property
    def network(self) -> RunNetwork:
        """The run's network; there from `prepare` to `close`."""
        if self._network is None:
            raise AssertionError("the runtime is not prepared, or closed")
        return self._network

    def _launch(self, plan: Plan) -> ContainerDeployment | TopologyDeployment:
        return self._one(plan) if plan.compose is None else self._several(plan)

    def _several(self, plan: Plan) -> TopologyDeployment:
        edited = plan.overlay.topology
        image = self._image_by(plan.overlay.dockerfile)
        images = self._component_images(edited) if edited else self.components
        found = realise(
            self.engine,
            plan,
            self.workspace.folder("deployment"),
            {"PANOTTI_IMAGE": image, **images},
            self.authority,
            run_id=self.workspace.run_id,
            timeout_s=plan.launch.ready_within_s,
        )
        return TopologyDeployment(self, plan, found, image)

    def _image_by(self, recipe: str | None) -> str:
        """Return the target's image, built by an edited recipe where there is one."""
        return self._builder.reference(recipe) if recipe is not None else self.image

    def _component_images(self, edited: Mapping[str, str]) -> dict[str, str]:
        """Build the topology's other images; return their names by variable of the Compose file."""
        names = each(lambda name: self._builder.component(name, edited), COMPONENTS)
        return dict(zip(COMPONENTS.values(), names, strict=True))

    def _one(self, plan: Plan) -> ContainerDeployment:
        image = self._image_by(plan.overlay.dockerfile)
        folders = Folders(root=self.workspace.folder("deployment"))
        hardening = harden(plan.launch.container, plan.options)
        write_files(plan, folders)
        mounts = [*self._mounts(plan, folders, hardening), *hardening.mounts]
        addresses = self._take_addresses()
        environment = self._environment(plan, addresses) | hardening.environment
        launch = plan.launch
        try:
            box = self.engine.run(
                Request(
                    image=image,
                    command=self._command(plan, environment),
                    environment=environment,
                    ports=(launch.port, *((launch.redirect_port,) if plan.redirects else ())),
                    publish=hardening.publish,
                    mounts=tuple(mounts),
                    tmpfs=tmpfs(launch, hardening.owner),
                    options=hardening.options,
                ),
                self.network,
            )
        except BaseException:
            self.give_back(addresses)
            raise
        return ContainerDeployment(self, plan, folders, box, image, addresses)

    def start_relay(self, deployment: ContainerDeployment, address: str) -> Box:
        """Start a forwarder that reaches a deployment from one of its named addresses."""
        target = f"{deployment.box.address()}:{deployment.plan.launch.port}"
        return self.start_relay_in(self.network.name, address, target, image=deployment.image)

    def start_relay_in(self, network: str, address: str, target: str, *, image: str) -> Box:
        """Start a forwarder to `target`, HOST:PORT, that has an address in a network."""
        hardening = harden(self.target.contract.launch.container, ())
        request = Request(
            image=image,
            command=("python", "/relay.py", target, f"{ANY_HOST}:{RELAY_PORT}"),
            mounts=((relay.__file__, "/relay.py", "ro"),),
            options=hardening.options,
        )
        ports = {RELAY_PORT: (LOOPBACK, None)}
        return self.engine.place(request, ports, [Place(network=network, address=address)])

    def export(self, image: str) -> Path:
        """Return an image as `docker save` writes it; one file for each image of the run."""
        path = self.workspace.root / f"{image.replace(':', '-').replace('/', '-')}.tar"
        with self._saving:
            if not path.exists():
                part = path.with_suffix(f".{os.getpid()}")
                self.engine.save(image, part)
                part.replace(path)
        return path

    def give_back(self, addresses: Addresses) -> None:
        """Let other deployments have these addresses."""
        with self._numbers:
            self._free += [int(address.rpartition(".")[2]) for address in addresses.values()]

    def _take_addresses(self) -> Addresses:
        with self._numbers:
            return {name: f"{self.network.prefix}.{self._free.pop()}" for name in ADDRESSES}

    def _environment(self, plan: Plan, addresses: Addresses) -> dict[str, str]:
        paths = plan.launch.paths
        values = addresses | {
            "direct": self.network.gateway,
            "host": ANY_HOST,
            "port": str(plan.launch.port),
            "redirect_port": str(plan.launch.redirect_port),
            "profile": plan.specification.profile,
            "revision": revision(),
            "data": paths.data,
            "state": paths.state,
            "secrets": paths.secrets,
            "tls_cert": f"{paths.tls}/{CERTIFICATE_NAME}",
            "tls_key": f"{paths.tls}/{KEY_NAME}",
        }
        if plan.settings is not None:
            values["config"] = paths.config
        # Unbuffered: a server that is killed has printed what it said.
        own = {"PYTHONUNBUFFERED": "1"} | ({"PYTHONPATH": OVERLAY} if plan.overlay.package else {})
        return own | resolve(plan.environment, values)

    def _command(self, plan: Plan, environment: dict[str, str]) -> tuple[str, ...] | None:
        """The command; None leaves it to the image."""
        launch = plan.launch
        if isinstance(self.target, Reference):
            return None
        if launch.command:
            values = {"host": ANY_HOST, "port": str(launch.port), **environment}
            return tuple(resolve({str(n): word for n, word in enumerate(launch.command)}, values).values())
        if isinstance(self.target, Image):
            return None
        tls = launch.paths.tls
        files = ("--ssl-certfile", f"{tls}/{CERTIFICATE_NAME}", "--ssl-keyfile", f"{tls}/{KEY_NAME}")
        served = ("--host", ANY_HOST, "--port", str(launch.port), *(files if plan.leaf else ()))
        return ("python", "-m", "uvicorn", launch.app, *served)

    def _mounts(self, plan: Plan, folders: Folders, hardening: Hardening) -> list[tuple[str, str, str]]:
        paths, mounts = plan.launch.paths, []
        if plan.settings is not None:
            open_to_all(folders.config)
            mounts.append((str(folders.config), str(Path(paths.config).parent), "ro"))
        if plan.secret_files:
            hand_over(folders.secrets, hardening)
            mounts.append((str(folders.secrets), paths.secrets, "ro"))
        if plan.leaf:
            hand_over(folders.tls, hardening)
            mounts.append((str(folders.tls), paths.tls, "ro"))
        if plan.overlay.package:
            with room_on_disk(folders.overlay):
                mounts.append((str(write_package(folders.overlay, plan.overlay)), OVERLAY, "ro"))
        return mounts
