"""The runtime `containers`: the target in hardened containers, ports on 127.0.0.1 only."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from harness.errors import ContractError
from harness.runtimes import RuntimeName, relay
from harness.runtimes.bringup import LocalRuntime
from harness.runtimes.container_deployment import RELAY_PORT, ContainerDeployment
from harness.runtimes.engine import Box, Engine, Request, RunNetwork
from harness.runtimes.hardening import Hardening, harden, tmpfs
from harness.runtimes.images import Builder
from harness.runtimes.launch import (
    ADDRESSES,
    CERTIFICATE_NAME,
    KEY_NAME,
    Folders,
    Plan,
    resolve,
    room_on_disk,
    write_files,
)
from harness.runtimes.overlay import write_package
from harness.runtimes.revision import revision
from harness.target import Address, Image, Reference, Source

ANY_HOST = "0.0.0.0"  # noqa: S104  inside the container; published on 127.0.0.1
OVERLAY = "/overlay"
# Docker's own addresses end below .128; the addresses that checks name are given from here on.
_FIRST_ADDRESS, _LAST_ADDRESS = 128, 254
Addresses = dict[str, str]


class ContainersRuntime(LocalRuntime):
    """Starts the target from an image, on a network of this run."""

    name: RuntimeName = "containers"
    engine: Engine
    image: str
    _builder: Builder
    _network: RunNetwork | None = None
    _free: list[int]
    _numbers: threading.Lock

    def _prepare(self) -> None:
        self.engine = Engine(self.workspace.run_id)
        self._builder = Builder(engine=self.engine, workspace=self.workspace, progress=self.progress)
        match self.target:
            case Reference():
                self.image = self._builder.reference()
            case Source():
                self.image = self._builder.source(self.target)
            case Image():
                self.image = self._builder.given(self.target)
            case Address(url=url):
                raise ContractError(f"{url} is up already", remedy="Use --runtime external.")
        self._network = self.engine.network()
        self._free = list(range(_LAST_ADDRESS, _FIRST_ADDRESS - 1, -1))
        self._numbers = threading.Lock()

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

    def _launch(self, plan: Plan) -> ContainerDeployment:
        recipe = plan.overlay.dockerfile
        image = self._builder.reference(recipe) if recipe is not None else self.image
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
        hardening = harden(deployment.plan.launch.container, ())
        target = f"{deployment.box.address()}:{deployment.plan.launch.port}"
        return self.engine.run(
            Request(
                image=deployment.image,
                command=("python", "/relay.py", target, f"{ANY_HOST}:{RELAY_PORT}"),
                ports=(RELAY_PORT,),
                mounts=((relay.__file__, "/relay.py", "ro"),),
                options=hardening.options | {"healthcheck": {"test": ["NONE"]}},
                address=address,
            ),
            self.network,
        )

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
            _open_to_all(folders.config)
            mounts.append((str(folders.config), str(Path(paths.config).parent), "ro"))
        if plan.secret_files:
            _hand_over(folders.secrets, hardening)
            mounts.append((str(folders.secrets), paths.secrets, "ro"))
        if plan.leaf:
            _hand_over(folders.tls, hardening)
            mounts.append((str(folders.tls), paths.tls, "ro"))
        if plan.overlay.package:
            with room_on_disk(folders.overlay):
                mounts.append((str(write_package(folders.overlay, plan.overlay)), OVERLAY, "ro"))
        return mounts


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o444)


def _hand_over(folder: Path, hardening: Hardening) -> None:
    """Let the container's user read a folder of secrets, and as few others as this user may arrange."""
    if os.geteuid() == 0 and hardening.owner:
        for path in (folder, *folder.iterdir()):
            os.chown(path, *hardening.owner)
    elif hardening.owner:
        hardening.options["group_add"] = [os.getegid()]
        for path in (folder, *folder.iterdir()):
            path.chmod(0o750 if path.is_dir() else 0o440)
    else:
        # A user known by name only: the run's directory above keeps everybody else on this machine out.
        _open_to_all(folder)
