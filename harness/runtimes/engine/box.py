"""One container: described, looked into, disturbed and removed."""

from __future__ import annotations

import socket
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import DockerException, NotFound
from docker.utils.socket import frames_iter
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from harness.errors import ProbeFailed
from harness.runtimes import Completed
from harness.runtimes.engine.asking import asking
from harness.runtimes.engine.conversation import Conversation
from harness.runtimes.engine.wanted import Place

_LINES = 64  # of a log's end, read first
_MORE = 8  # times as many each time that they were too few


class Plain:
    """A container that docker-py made: testcontainers knows one network for each."""

    def __init__(self, container: Any) -> None:
        self._wrapped = container

    def get_wrapped_container(self) -> Any:
        return self._wrapped

    def stop(self) -> None:
        self._wrapped.remove(force=True, v=True)


class Box:
    """One container."""

    def __init__(self, container: DockerContainer | Plain) -> None:
        self._container = container

    @property
    def _docker(self) -> Any:
        return self._container.get_wrapped_container()

    @property
    def id(self) -> str:
        """What Docker knows it by."""
        return str(self._docker.id)

    def attributes(self) -> dict[str, Any]:
        """Return the container's description as `docker inspect` gives it, fresh."""
        with asking("inspecting a container"):
            self._docker.reload()
            return dict(self._docker.attrs)

    @property
    def found(self) -> dict[str, Any]:
        """The container's description as it was when it was listed, or last asked for."""
        return dict(self._docker.attrs)

    def exit_status(self) -> int | None:
        """Exit status of its main process; None while it runs."""
        state = self.attributes()["State"]
        return int(state["ExitCode"]) if state["Status"] in {"exited", "dead"} else None

    def published(self) -> dict[int, int]:
        """Host port by container port."""
        ports = self.attributes()["NetworkSettings"]["Ports"]
        return {int(name.split("/")[0]): int(where[0]["HostPort"]) for name, where in ports.items() if where}

    def address(self) -> str:
        """Its IPv4 address in the run's network."""
        (network,) = self.attributes()["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def logs(self) -> str:
        """Everything it has printed."""
        with asking("reading a container's log"):
            return bytes(self._docker.logs()).decode("utf-8", errors="replace")

    def log_after(self, stamp: str) -> list[tuple[str, str]]:
        """Return time stamp and text of every line on standard output and error after a time stamp.

        stamp: one that a line had, "" for all. Docker looks through a whole log for a time, and through no
        more than is asked for of its end.
        """
        wanted = _LINES
        while True:
            with asking("reading a container's log"):
                raw = bytes(self._docker.logs(timestamps=True, tail=wanted))
            lines = [
                line.partition(" ") for line in raw.decode("utf-8", errors="replace").split("\n") if line
            ]
            if len(lines) < wanted or lines[0][0] <= stamp:
                return [(at, text) for at, _, text in lines if at > stamp]
            wanted *= _MORE

    def files(self, path: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of every file below a folder of it."""
        with asking("reading a container's files"), tempfile.TemporaryFile() as file:
            chunks, _ = self._docker.get_archive(path)
            file.writelines(chunks)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        yield member.name, content.read()

    def pause(self) -> None:
        """Freeze its processes."""
        with asking("pausing a container"):
            self._docker.pause()

    def resume(self) -> None:
        """Let its processes go on."""
        with asking("resuming a container"):
            self._docker.unpause()

    def start(self) -> None:
        """Start it, or start it again after it ended."""
        with asking("starting a container"):
            self._docker.start()

    def update(self, **limits: Any) -> None:
        """Change limits, or the restart policy, while it runs."""
        with asking("changing a container"):
            self._docker.update(**limits)

    def limit_cpu(self, nano_cpus: int) -> None:
        """Change its quota of processor time, in billionths of a processor, while it runs."""
        api = self._docker.client.api
        with asking("changing a container"):
            # docker-py's own update has no such option, and Docker refuses the older ones beside it.
            url = api._url("/containers/{0}/update", self.id)  # noqa: SLF001
            api._raise_for_status(api._post_json(url, data={"NanoCpus": nano_cpus}))  # noqa: SLF001

    def leave(self, network: str) -> None:
        """Disconnect it from a network."""
        with asking("disconnecting a container"):
            self._docker.client.networks.get(network).disconnect(self._docker, force=True)

    def enter(self, place: Place) -> None:
        """Connect it to a network."""
        with asking("connecting a container"):
            self._docker.client.api.connect_container_to_network(
                self.id, place.network, aliases=list(place.aliases), ipv4_address=place.address
            )

    def addresses(self) -> dict[str, str]:
        """Its IPv4 address by network."""
        networks = self.attributes()["NetworkSettings"]["Networks"]
        return {name: str(network["IPAddress"]) for name, network in networks.items()}

    @property
    def name(self) -> str:
        """Its host name: what the processes in it call their machine."""
        return str(self.attributes()["Config"]["Hostname"])

    def signal(self, signal: str) -> None:
        """Send a signal to its main process."""
        with asking("signalling a container"):
            self._docker.kill(signal)

    def wait(self, timeout_s: float) -> int:
        """Return its exit status. Raises `ProbeFailed` while it still runs after `timeout_s`."""
        try:
            return int(self._docker.wait(timeout=timeout_s)["StatusCode"])
        except (OSError, DockerException):
            status = self.exit_status()
            if status is None:
                raise ProbeFailed(f"the server still runs after {timeout_s:g} s") from None
            return status

    def execute(self, argv: Sequence[str], *, stdin: str, timeout_s: float) -> Completed:
        """Run a command in it. Raises `ProbeFailed` when it does not end in time."""
        with asking("running a command in a container"):
            api = self._docker.client.api
            task = api.exec_create(self._docker.id, list(argv), stdin=bool(stdin))["Id"]
            stream = api.exec_start(task, socket=True)
            out = _exchange(stream, stdin.encode(), timeout_s)
            status = api.exec_inspect(task)["ExitCode"]
        if out is None or status is None:
            raise ProbeFailed(f"{argv[0]}: did not end within {timeout_s:g} s")
        return Completed(status=int(status), stdout=out[0], stderr=out[1])

    @contextmanager
    def converse(self, argv: Sequence[str]) -> Iterator[Conversation]:
        """Run a command in it for the block, and speak with it: starting one for each word is slow."""
        with asking("running a command in a container"):
            api = self._docker.client.api
            task = api.exec_create(self._docker.id, list(argv), stdin=True)["Id"]
            conversation = Conversation(api.exec_start(task, socket=True))
        try:
            yield conversation
        finally:
            conversation.close()

    def remove(self) -> None:
        """End and remove it; one that is gone already is as good."""
        with asking("removing a container"), suppress(NotFound):
            self._container.stop()
        if isinstance(self._container, DockerContainer):
            close_client(self._container)


def close_client(thing: DockerContainer | Network) -> None:
    """Every object of testcontainers opens a connection of its own, and does not always close it."""
    thing._docker.client.close()  # noqa: SLF001


def _exchange(stream: Any, stdin: bytes, timeout_s: float) -> tuple[str, str] | None:
    """Write standard input, read both outputs to their end; None when time ran out."""
    raw: socket.socket = getattr(stream, "_sock", stream)
    late = threading.Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(timeout_s, cut)
    timer.start()
    outputs = {1: bytearray(), 2: bytearray()}
    try:
        if stdin:
            raw.sendall(stdin)
            raw.shutdown(socket.SHUT_WR)
        for number, data in frames_iter(stream, tty=False):
            outputs[number].extend(data)
    finally:
        timer.cancel()
        stream.close()
        raw.close()
    if late.is_set():
        return None
    return outputs[1].decode("utf-8", errors="replace"), outputs[2].decode("utf-8", errors="replace")
