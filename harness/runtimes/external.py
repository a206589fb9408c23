"""The runtime `external`: a server that is up already. It is looked at, never touched."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NoReturn
from urllib.parse import urlsplit

from harness.errors import ContractError, DeploymentFailed, UserError
from harness.journal import now
from harness.records import Event
from harness.runtimes import CannotShow, Completed, Deployment, RuntimeName, Specification, StartFailure
from harness.runtimes.bringup import Progress
from harness.runtimes.launch import API_KEY
from harness.runtimes.one_server import OneServer
from harness.runtimes.readiness import Door, answers
from harness.target import Address, Target

KEY_VARIABLE = "HARNESS_API_KEY"
_NOT_OURS = "the target was up already: the harness has no hold on its process, files and settings"


class ExternalRuntime:
    """Hands out the one deployment there is. See `harness.runtimes.Runtime`."""

    name: RuntimeName = "external"

    def __init__(self, target: Target, progress: Progress, *, own_this_target: bool = False) -> None:
        if not isinstance(target, Address):
            raise ContractError(
                f"{target.label} is not up already", remedy="Give a URL as --target, or another --runtime."
            )
        self.target = target
        self.progress = progress
        host = urlsplit(target.url).hostname or ""
        if not own_this_target and not on_this_machine(host):
            raise UserError(
                f"{target.url} is not on this machine",
                remedy="Test only what is yours; if it is, say so by --i-own-this-target.",
            )
        self._api_key = os.environ.get(KEY_VARIABLE, "")

    def prepare(self) -> None:
        """Check that a key was given."""
        if not self._api_key:
            raise UserError(
                f"no key for {self.target.url}",
                remedy=f"Give an administrator's key in the environment variable {KEY_VARIABLE}.",
            )

    def start(self, specification: Specification) -> ExternalDeployment:
        """Return the deployment. Raises `DeploymentFailed` without an answer, `CannotShow` for a change."""
        self.prepare()
        if specification.variation.changes:
            raise CannotShow(f"{_NOT_OURS}; it cannot be brought up with: {specification.variation.title}")
        deployment = ExternalDeployment(specification, self.target, self._api_key)
        if not answers(deployment.door):
            raise DeploymentFailed(
                f"{self.target.url} does not answer {deployment.door.path} with 2xx",
                remedy="Start the server; ready_path in [launch] of the contract names what is asked.",
            )
        self.progress(Event(name="deployment.ready", profile=specification.profile, at=now()))
        return deployment

    def try_start(
        self, specification: Specification, *, timeout_s: float, beside: Deployment | None = None
    ) -> StartFailure | None:
        """Nothing can be started here."""
        where = f"{specification.profile}, {timeout_s:g} s" + (", beside it" if beside else "")
        raise CannotShow(f"{_NOT_OURS}; nothing can be started ({where})")

    def try_build(self, specification: Specification) -> str | None:
        """Nothing is built here."""
        raise CannotShow(f"{_NOT_OURS}; how it was built is not known ({specification.profile})")

    def workshop(self, profile: str) -> NoReturn:
        """Nothing is built here."""
        raise CannotShow(f"{_NOT_OURS}; how it was built is not known ({profile})")

    def close(self) -> None:
        """Leave it as it is."""


class ExternalDeployment(OneServer):
    """See `harness.runtimes.Deployment`."""

    runtime: RuntimeName = "external"

    def __init__(self, specification: Specification, target: Address, api_key: str) -> None:
        contract = target.contract
        parts = urlsplit(target.url)
        self.specification = specification
        self.base_url = target.url
        self.plain_url: str | None = contract.http.plain_url.rstrip("/") or None
        self.host_name = contract.http.host or parts.hostname or ""
        self.ca_file = Path(contract.http.ca_file) if contract.http.ca_file else None
        self.api_key = api_key
        self.secrets: Mapping[str, str] = {API_KEY: api_key}
        self.started_in_s = 0.0
        self.door = Door(
            base_url=target.url,
            path=f"{contract.http.base_path}{contract.launch.ready_path}",
            host_name=self.host_name,
        )

    def via(self, address: str) -> NoReturn:
        """A server elsewhere is reached from one address only."""
        raise CannotShow(f"requests to it come from this machine only, not from '{address}'")

    def address(self, name: str) -> NoReturn:
        """No address of it is known to be trusted or denied."""
        raise CannotShow(f"the target's settings are not known, nor which address is '{name}'")

    def execute(self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 10.0) -> Completed:
        """Not here."""
        raise CannotShow(f"{_NOT_OURS}; no command can be run: {argv[0]} ({len(stdin)}, {timeout_s:g} s)")

    def kill(self, pid: int, signal: int) -> NoReturn:
        """Not here."""
        raise CannotShow(f"{_NOT_OURS}; no signal {signal} can be sent to {pid}")

    def terminate(self) -> NoReturn:
        """Not here."""
        raise CannotShow(_NOT_OURS)

    def wait_exit(self, timeout_s: float) -> NoReturn:
        """Not here."""
        raise CannotShow(f"{_NOT_OURS}; its end cannot be seen ({timeout_s:g} s)")

    def logs(self) -> NoReturn:
        """Not here."""
        raise CannotShow(f"{_NOT_OURS}; its log cannot be read")

    def replace_certificate(self) -> NoReturn:
        """Not here."""
        raise CannotShow(_NOT_OURS)

    def path(self, name: Literal["data", "state", "code", "config", "secrets"]) -> NoReturn:
        """Not here."""
        raise CannotShow(f"{_NOT_OURS}; where its {name} stands is not known")

    def inspect(self) -> NoReturn:
        """Not here."""
        raise CannotShow(_NOT_OURS)

    def export_image(self) -> NoReturn:
        """Not here."""
        raise CannotShow(_NOT_OURS)

    def stop(self) -> None:
        """Leave it up: it is not this run's."""


def on_this_machine(host: str) -> bool:
    """Whether every address of `host` belongs to this machine."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(_can_bind(family, address[0]) for family, _, _, _, address in found)


def _can_bind(family: socket.AddressFamily, address: str | int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
