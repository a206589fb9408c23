"""Brings a topology up: networks and volumes of its own, each service's files, containers in their order."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.contract import Replicated
from harness.errors import ContractError, ProbeFailed, RuntimeUnavailable
from harness.releases.stage import Colour
from harness.runtimes import StartFailure
from harness.runtimes.edge import SERVING, write_serving
from harness.runtimes.engine import Box, Engine, Subnet, SubnetTaken
from harness.runtimes.files import Folders, room_on_disk, write_files, write_secrets
from harness.runtimes.handing import folder_for_all, hand_over, open_to_all
from harness.runtimes.hardening import Hardening
from harness.runtimes.launch import Plan
from harness.runtimes.overlay import Overlay, write_package
from harness.runtimes.pki import Authority, Leaf
from harness.runtimes.realised import Casualty, Realised, each, named_addresses
from harness.topology.reading import read_topology
from harness.topology.schema import Service, Topology

_SUBNET_TRIES: Final = 20
_LOOK_S: Final = 0.1
EDGE_FILE: Final = "edge.pem"
ROOT_FILE: Final = "root.pem"


def realise(
    engine: Engine,
    plan: Plan,
    folder: Path,
    images: Mapping[str, str],
    authority: Authority,
    *,
    run_id: str,
    timeout_s: float,
) -> Realised:
    """Bring up what `plan` describes, as far as it comes: `casualty` tells of a component that failed.

    images: by variable of the Compose file. Raises `RuntimeUnavailable` where it does not fit here.
    """
    found = _with_networks(engine, plan, folder, images, run_id)
    try:
        _fits(engine, found.topology)
        provide(found, authority)
        names = {name: f"panotti-{run_id}-{secrets.token_hex(3)}-{name}" for name in found.topology.volumes}
        found.volumes = {name: engine.volume(real) for name, real in names.items()}
        deadline = time.monotonic() + timeout_s
        try:
            _start(found, deadline)
        except Casualty as casualty:
            found.casualty = casualty
    except BaseException:
        with suppress(RuntimeUnavailable):
            found.remove()
        raise
    return found


def _with_networks(
    engine: Engine, plan: Plan, folder: Path, images: Mapping[str, str], run_id: str
) -> Realised:
    """Find addresses that nobody uses, and make the networks."""
    contract = plan.launch.topology
    assert contract is not None, "a plan with a Compose file has the contract's topology"
    for _ in range(_SUBNET_TRIES):
        # 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no other network should be using it.
        prefix = f"198.{18 + secrets.randbelow(2)}.{secrets.randbelow(256)}"
        topology = described(plan, contract, folder, images, prefix)
        tag = secrets.token_hex(3)
        wanted = {
            name: Subnet(
                name=f"panotti-{run_id}-{tag}-{name}",
                subnet=network.ipam.config[0].subnet,
                gateway=network.ipam.config[0].gateway,
                pool=network.ipam.config[0].ip_range,
                internal=network.internal,
            )
            for name, network in topology.networks.items()
        }
        try:
            made = _made(engine, wanted)
        except SubnetTaken:
            continue
        return Realised(
            engine=engine,
            plan=plan,
            contract=contract,
            folder=folder,
            images=images,
            topology=topology,
            prefix=prefix,
            networks=made,
        )
    raise RuntimeUnavailable(
        f"no free addresses for the topology's {len(topology.networks)} networks: "
        f"{_SUBNET_TRIES} places in 198.18.0.0/15 are taken",
        remedy="Remove networks that nobody uses: `docker network ls`, `harness down`.",
    )


def _made(engine: Engine, wanted: Mapping[str, Subnet]) -> dict[str, str]:
    """Make all networks or none; return their real names. Raises `SubnetTaken`."""
    made: dict[str, str] = {}

    def make(name: str) -> None:
        made[name] = engine.subnet(wanted[name])

    try:
        each(make, wanted)
    except BaseException:
        each(engine.remove_network, made.values())
        raise
    return made


def described(
    plan: Plan, contract: Replicated, folder: Path, images: Mapping[str, str], prefix: str
) -> Topology:
    """Return the file's topology, with this deployment's values for its variables."""
    source, text, named = f"deploy/{contract.file}", plan.compose or "", named_addresses(prefix)
    values = {
        **images,
        "PANOTTI_FILES": str(folder),
        "PANOTTI_NETWORK": prefix,
        "PANOTTI_HTTPS_PORT": "",
        "PANOTTI_HTTP_PORT": "",
        "PANOTTI_IP_DENY": named["denied"],
    }
    for path in plan.overlay.topology:
        text = text.replace(f"./{path.removeprefix('deploy/')}:", f"{folder}/{path}:")
    # The edge's own address is in the file: what trusts it can be said only once it is read.
    first = read_topology(text, values, source=source)
    edge = _edge_address(first, contract, source)
    return read_topology(
        text, {**values, "PANOTTI_TRUSTED_PROXIES": f"{edge},{named['proxy']}"}, source=source
    )


def _edge_address(topology: Topology, contract: Replicated, source: str) -> str:
    """The edge's fixed address in the network that it shares with the application."""
    for role in ("application", "edge"):
        if (name := getattr(contract, role)) not in topology.services:
            raise ContractError(
                f"{source}: it has no service {name}, which launch.topology.{role} of the contract names",
                remedy="Correct either of them.",
            )
    edge, application = topology.services[contract.edge], topology.services[contract.application]
    for name, attachment in edge.networks.items():
        if name in application.networks and attachment.ipv4_address:
            return attachment.ipv4_address
    raise ContractError(
        f"{source}: {contract.edge} has no fixed address in a network that {contract.application} is in too",
        remedy="Give it an ipv4_address there: the application trusts what the edge says of its callers.",
    )


def provide(found: Realised, authority: Authority) -> None:
    """Write what each service reads: secrets, certificates, settings, edited files."""
    plan, contract = found.plan, found.contract
    for name, service in found.topology.services.items():
        folder = found.folder / name
        folder_for_all(folder)
        if name != contract.application and service.x_secrets:
            files = {secret: plan.made[secret] for secret in service.x_secrets}
            write_secrets(folder / "secrets", files, owner=_owner(service))
    _provide_application(found, authority)
    if plan.leaf:
        write_edge(found, plan.leaf, authority)
    write_serving(found.folder / contract.edge / SERVING, Colour.BLUE)
    write_edited(found.folder, plan.overlay)


def write_edited(folder: Path, overlay: Overlay) -> None:
    """Write the edited files of the topology, each in one step."""
    for path, text in overlay.topology.items():
        target = folder / path
        folder_for_all(target.parent)
        fresh = target.with_name(f".{target.name}")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o444)
        fresh.replace(target)


def beside(found: Realised, plan: Plan, folder: Path, authority: Authority) -> Realised:
    """Return the application of what stands as `plan` has it, with files of its own; nothing is started.

    Networks and stores are those of `found`, which removes them.
    """
    topology = described(plan, found.contract, folder, found.images, found.prefix)
    joined = replace(found, plan=plan, folder=folder, topology=topology, boxes={}, lock=threading.Lock())
    _provide_application(joined, authority)
    return joined


def _provide_application(found: Realised, authority: Authority) -> None:
    plan, contract = found.plan, found.contract
    service = found.topology.services[contract.application]
    folders = Folders(root=found.folder / contract.application)
    folder_for_all(folders.root)
    elsewhere = set(contract.secrets) - set(service.x_secrets)
    files = {name: value for name, value in plan.secret_files.items() if name not in elsewhere}
    leaf = authority.issue(service=contract.application) if plan.leaf else None
    write_files(replace(plan, secret_files=files, leaf=leaf), folders)
    owned = found.hardened(contract.application, service)
    open_to_all(folders.config)
    hand_over(folders.secrets, owned)
    hand_over(folders.tls, owned)
    if plan.overlay.package:
        with room_on_disk(found.folder):
            write_package(found.folder / "overlay", plan.overlay)


def write_edge(found: Realised, leaf: Leaf, authority: Authority) -> None:
    """Write the edge's certificate with its key, and the root that it trusts its replicas by."""
    service = found.topology.services[found.contract.edge]
    files = {EDGE_FILE: (leaf.certificate + leaf.key).decode(), ROOT_FILE: authority.certificate.decode()}
    write_secrets(found.folder / found.contract.edge / "tls", files, owner=_owner(service))


def _owner(service: Service) -> tuple[int, int] | None:
    return Hardening(options={"user": service.user}).owner


def _fits(engine: Engine, topology: Topology) -> None:
    """Refuse at once what this machine's memory cannot hold. Raises `RuntimeUnavailable`."""
    wanted = sum(_bytes(service.mem_limit) * service.scale for service in topology.services.values())
    there = engine.memory()
    if wanted > there:
        raise RuntimeUnavailable(
            f"the topology may take {wanted >> 20} MiB of memory, this machine has {there >> 20}",
            remedy="Lower mem_limit or scale in deploy/compose.yaml, or use --runtime process.",
        )


def _bytes(size: str | None) -> int:
    if not size:
        return 0
    unit = {"b": 0, "k": 10, "m": 20, "g": 30}.get(size[-1])
    return int(size) if unit is None else int(size[:-1]) << unit


def _start(found: Realised, deadline: float) -> None:
    """Start the services, each as soon as what it depends on is there. Raises `Casualty`."""
    services = found.topology.services
    done = {name: threading.Event() for name in services}
    failed = threading.Event()

    def bring(name: str) -> None:
        try:
            # Docker makes it while those are starting that it depends on.
            boxes = each(lambda _: found.make(name), range(services[name].scale))
            for other, dependency in services[name].depends_on.items():
                while not done[other].wait(_LOOK_S):
                    if failed.is_set():
                        return
                if failed.is_set():
                    return
                _await(found, other, dependency.condition, deadline)
            each(lambda box: box.start(), boxes)
        except BaseException:
            failed.set()
            raise
        finally:
            done[name].set()

    each(bring, services)


def _await(found: Realised, name: str, condition: str, deadline: float) -> None:
    service = found.topology.services[name]
    for box in [*found.boxes.get(name, ())]:
        while not _reached(box, service, condition):
            status = box.exit_status()
            if status is not None and not (condition == "service_completed_successfully" and status == 0):
                raise Casualty(name, StartFailure(status=status, output=box.logs()))
            if time.monotonic() > deadline:
                raise Casualty(name, StartFailure(status=None, output=box.logs()))
            time.sleep(_LOOK_S)


def _reached(box: Box, service: Service, condition: str) -> bool:
    match condition:
        case "service_healthy":
            assert service.healthcheck is not None, "checked when the file was read"
            with suppress(RuntimeUnavailable, ProbeFailed):
                return box.execute(service.healthcheck.test[1:], stdin="", timeout_s=5).status == 0
            return False
        case "service_completed_successfully":
            return box.exit_status() == 0
        case _:
            return True
