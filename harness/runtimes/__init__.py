"""Runtimes turn a specification (target, profile, variation) into a running Deployment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from harness.defects import CLEAN, Variation

if TYPE_CHECKING:
    from harness.load.order import Witness
    from harness.releases.stage import Stage
    from harness.runtimes.part import Part
    from harness.runtimes.workshop import Workshop

IMAGE = "image"  # the instance of a specification of which only the image is looked into
RuntimeName = Literal["containers", "process", "external"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What is to be brought up. `variation` is a check's setup plus, in the self-test, its defect."""

    profile: str
    variation: Variation = CLEAN
    instance: str = "shared"

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.profile, self.variation.key, self.instance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A command that ran inside a deployment: exit status, standard output and error as text."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailure:
    """A start that ended before readiness: exit status (None: still running) and everything it printed.

    part: which component of a topology failed, "" where it is the server.
    """

    status: int | None
    output: str
    part: str = ""


class CannotShow(Exception):
    """This runtime cannot do that; the argument is the reason, which becomes the `not-verified` reason."""


class Deployment(Protocol):
    """One running target in one profile. Every method raises CannotShow where the runtime cannot do it.

    Where replicas stand behind an edge, base_url and plain_url are the edge's. A command, a signal to a pid,
    a path and a description are the first replica's; the log is that of all.
    """

    specification: Specification
    runtime: RuntimeName
    base_url: str  # https://127.0.0.1:49153 (no trailing slash)
    plain_url: str | None  # the plain HTTP listener that redirects, if the profile has one
    host_name: str  # the name in the certificate and the Host header, for example "panotti.test"
    ca_file: Path | None  # the root certificate that signed the server's
    api_key: str  # the bootstrap administrator's key, made fresh for this deployment
    secrets: Mapping[str, str]  # every secret given to it, by name, for redaction and leak searches
    started_in_s: float

    @property
    def replica_urls(self) -> tuple[str, ...]:
        """Where each replica itself is reached, past any edge; the base URL where there is none."""
        ...

    def parts(self, name: str) -> tuple[Part, ...]:
        """The containers of a service of the topology, or of one of the server's dependencies by its name."""
        ...

    def members(self) -> tuple[Part, ...]:
        """Every container of the topology."""
        ...

    def add_replica(self) -> Part:
        """Start one more replica of the server beside the others; it is not waited for."""
        ...

    def stage(self) -> Stage:
        """Where one release takes the place of another: two colours of the server behind the edge."""
        ...

    def renew(self) -> None:
        """Give it the servers again that it began with, whatever a check ended or added; what it keeps stays.

        Raises ProbeFailed where they do not become ready.
        """
        ...

    def change_edge(self, variation: Variation) -> None:
        """Replace the edge by one whose files have these edits, CLEAN: those that it was brought up with.

        Addresses and ports stay, and all behind it stands. Raises ProbeFailed where it does not become ready.
        """
        ...

    def serving(self) -> int:
        """How many replicas the edge sends requests to."""
        ...

    def prefer(self, replicas: Collection[Part]) -> None:
        """Have the edge send requests to these replicas alone; the others have answered theirs by then.

        Raises ProbeFailed where it does not.
        """
        ...

    def stores(self) -> tuple[Part, ...]:
        """The containers that keep data for the server; none where it keeps all of it itself."""
        ...

    def via(self, address: str) -> str:
        """Base URL that reaches the target from the named client address (proxy, denied, stranger)."""
        ...

    def address(self, name: str) -> str:
        """The IP address behind a name, as the target sees it."""
        ...

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        """Run a command where the server runs, as its user, with its environment and its `python`."""
        ...

    def kill(self, pid: int, signal: int) -> None:
        """Send a signal to a process of the server, by the pid that the server itself reports."""
        ...

    def terminate(self) -> None:
        """Send SIGTERM to the server's main process, in every replica, without waiting."""
        ...

    def wait_exit(self, timeout_s: float) -> int:
        """Wait for the main process to end, in every replica; return the highest exit status."""
        ...

    def logs(self) -> str:
        """Everything the server has printed so far."""
        ...

    def replace_certificate(self) -> str:
        """Give the server a new certificate of the same root and tell it; return its SHA-256 (hex)."""
        ...

    def path(self, name: Literal["data", "state", "code", "config", "secrets"]) -> str:
        """The path of a directory or file as the server sees it."""
        ...

    def inspect(self) -> Mapping[str, object]:
        """What `docker inspect` says: {"container": ..., "image": ...}."""
        ...

    def export_image(self) -> Path:
        """The image as `docker save` writes it, for layer searches."""
        ...

    def witness(self) -> AbstractContextManager[Witness]:
        """Have a responder with next to no work beside it, reached as it is."""
        ...

    def stop(self) -> None:
        """End it and remove everything that belonged to it. Safe to call twice."""
        ...


class Runtime(Protocol):
    """Brings deployments of one target up."""

    name: RuntimeName

    def prepare(self) -> None:
        """Do what all deployments share once: images, wheels, networks. Progress goes to the event sink."""
        ...

    def start(self, specification: Specification) -> Deployment:
        """Return it ready. Raises DeploymentFailed with the last log lines, or RuntimeUnavailable."""
        ...

    def try_start(
        self, specification: Specification, *, timeout_s: float, beside: Deployment | None = None
    ) -> StartFailure | None:
        """Start one that is expected not to come up; None when it did become ready (it is stopped again).

        beside: one that is up, of the same profile and secrets. Where this one differs from it only in what a
        server is given, one server may join its stores, and nothing else is brought up.
        """
        ...

    def try_build(self, specification: Specification) -> str | None:
        """Build the image with a package that is not the lock's, of the same name and version.

        Return what refused it, None when it was built. Raises CannotShow.
        """
        ...

    def workshop(self, profile: str) -> Workshop:
        """Return where images of other releases of the target are made. Raises CannotShow."""
        ...

    def close(self) -> None:
        """Stop every deployment still up and remove what prepare made for this run. Safe to call twice."""
        ...
