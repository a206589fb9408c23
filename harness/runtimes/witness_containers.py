"""The witness beside a deployment in containers: a responder in its networks, behind an edge like its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, Final

from harness.errors import ProbeFailed, RuntimeUnavailable
from harness.load.order import Witness
from harness.runtimes import responder
from harness.runtimes.engine import Box, Engine, Place, Request
from harness.runtimes.hardening import LOOPBACK
from harness.runtimes.readiness import Door, await_line, await_ready
from harness.runtimes.realised import Realised
from harness.runtimes.services import hardening
from harness.runtimes.witness import local_witness

Options = Mapping[str, Any]
PORT: Final = 8000
_ANY_HOST: Final = "0.0.0.0"  # noqa: S104  inside the container; published on 127.0.0.1
_READY_S: Final = 30.0
_CONFIG: Final = """\
global
    maxconn 2000
    nbthread 1
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
frontend clients
    bind :{port}{tls}
    default_backend witness
backend witness
    server witness {address}:8000
"""


@contextmanager
def container_witness(engine: Engine, image: str, network: str, options: Options) -> Iterator[Witness]:
    """Have a responder in a container that publishes its port; a process where the image has no Python."""
    with _responder(engine, image, network, options, publish=True) as box:
        if box is None:
            with local_witness("the image has no Python") as witness:
                yield witness
            return
        url = f"http://{LOOPBACK}:{box.published()[PORT]}"
        yield Witness(base_url=url, host=LOOPBACK, how="a container in the target's network")


@contextmanager
def witness_behind_edge(found: Realised, image: str, host: str, ca_file: Path | None) -> Iterator[Witness]:
    """Have a responder in the application's network, behind an edge of its own in the edge's networks.

    image: the application's. host, ca_file: of the edge's certificate. Raises `ProbeFailed`.
    """
    service = found.topology.services[found.contract.application]
    options = found.hardened(found.contract.application, service).options
    with _responder(found.engine, image, found.networks[found.shared], options) as box:
        if box is None:
            with local_witness("the image has no Python") as witness:
                yield witness
            return
        with _edge(found, box) as edge:
            scheme = "https" if ca_file else "http"
            url = f"{scheme}://{LOOPBACK}:{edge.published()[PORT]}"
            failure = await_ready(
                Door(base_url=url, path="/", host_name=host),
                exited=edge.exit_status,
                output=edge.logs,
                timeout_s=_READY_S,
            )
            if failure is not None:
                raise ProbeFailed(f"the edge of the witness did not start: {failure.output[-200:]}")
            how = "a container behind an edge of its own, in the target's networks"
            yield Witness(base_url=url, host=host, ca_file=str(ca_file or ""), how=how)


@contextmanager
def _responder(
    engine: Engine, image: str, network: str, options: Options, *, publish: bool = False
) -> Iterator[Box | None]:
    """Have a responder in a container that listens; None where the image cannot run it."""
    with TemporaryDirectory(prefix="witness-") as private:
        # Not in the container's own layers: the target's stores write to this machine's disk, too.
        folder = Path(private) / "written"
        folder.mkdir()
        folder.chmod(0o777)  # within a private one
        request = Request(
            image=image,
            command=("python", "/responder.py", f"{_ANY_HOST}:{PORT}", "/written"),
            mounts=((responder.__file__, "/responder.py", "ro"), (str(folder), "/written", "rw")),
            options=options,
        )
        ports = {PORT: (LOOPBACK, None)} if publish else {}
        try:
            box = engine.place(request, ports, [Place(network=network)])
        except RuntimeUnavailable:
            yield None
            return
        with _removed(box):
            failure = await_line(exited=box.exit_status, output=box.logs, timeout_s=_READY_S)
            yield None if failure else box


@contextmanager
def _edge(found: Realised, box: Box) -> Iterator[Box]:
    """Have an edge like the target's, with nothing to do but to pass requests on."""
    name = found.contract.edge
    service = found.topology.services[name]
    secure = found.plan.leaf is not None
    config = Path(mkdtemp(prefix="witness-", dir=found.folder)) / "haproxy.cfg"
    tls = " ssl crt /run/tls/edge.pem" if secure else ""
    address = box.addresses()[found.networks[found.shared]]
    config.write_text(_CONFIG.format(port=PORT, tls=tls, address=address), encoding="ascii")
    config.chmod(0o444)
    mounts = [(str(config), "/etc/haproxy/haproxy.cfg", "ro")]
    if secure:
        mounts.append((str(found.folder / name / "tls"), "/run/tls", "ro"))
    request = Request(image=service.image, mounts=tuple(mounts), options=hardening(service).options)
    places = [Place(network=found.networks[network]) for network in service.networks]
    with _removed(found.engine.place(request, {PORT: (LOOPBACK, None)}, places)) as edge:
        yield edge


@contextmanager
def _removed(box: Box) -> Iterator[Box]:
    try:
        yield box
    finally:
        box.remove()
