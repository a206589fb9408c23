"""The target's contract file: everything the harness must know to talk to a target, and to bring it up.

A capability that the file does not name is absent; a check that needs it fails, it is not skipped.

    name = "my server"
    [http]                auth_header, base_path, host, ca_file, plain_url
    [launch]              how it is started: app or command, port, ready_path, secrets, api_key, ...
    [launch.env]          ${port} ${host} ${config} ${secrets} ${data} ${state}
                          ${proxy} ${denied} ${stranger} ${direct}
    [launch.tls]          profiles in which it ends TLS itself, and env with ${tls_cert} ${tls_key}
    [launch.topology]     file of a Compose topology, its profiles, which service is the application, the edge
    [launch.container]    user, read_only, cap_drop, tmpfs, limits: what differs from the hardened defaults
    [capabilities.health] paths, below base_path; likewise recordings, tokens, sessions, administration, ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, overload

from harness.capabilities import (
    Administration,
    Capabilities,
    Describe,
    Description,
    Docs,
    Health,
    Logs,
    Recordings,
    Sessions,
    Tokens,
    Version,
)
from harness.errors import ContractError
from harness.outcome import Absent
from harness.profiles import Profile
from harness.tomlfile import Closed, read_toml, to_record

SecretKind = Literal["random", "ec-p256"]
_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Closed):
    """How it is spoken to. host: the name in its certificate.

    For `external`: ca_file, the root to trust; plain_url, the plain HTTP listener that redirects.
    """

    auth_header: str = "X-API-Key"
    base_path: str = ""
    host: str = ""
    ca_file: str = ""
    plain_url: str = ""

    def __post_init__(self) -> None:
        if self.base_path and (not self.base_path.startswith("/") or self.base_path.endswith("/")):
            raise ValueError(f'base_path begins with "/" and does not end with it, not "{self.base_path}"')
        if self.plain_url and not self.plain_url.startswith("http://"):
            raise ValueError(f'plain_url begins with "http://", not "{self.plain_url}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey(Closed):
    """How the administrator's key is supplied: by an environment variable, or as a secret file."""

    env: str = ""
    secret: str = ""

    def __post_init__(self) -> None:
        if bool(self.env) == bool(self.secret):
            raise ValueError('give either env = "API_KEY" or secret = "api_key"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls(Closed):
    """Profiles in which the server ends TLS itself, and the variables that tell it so."""

    profiles: tuple[Profile, ...]
    env: Mapping[str, str] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container(Closed):
    """Options of the container; the defaults are the hardened ones. Sizes as Docker writes them."""

    user: str = "10001:10001"
    read_only: bool = True
    cap_drop: tuple[str, ...] = ("ALL",)
    cap_add: tuple[str, ...] = ()
    security_opt: tuple[str, ...] = ("no-new-privileges",)
    mem_limit: str = "512m"
    cpus: float = 2.0
    pids_limit: int = 256
    tmpfs: Mapping[str, str] = field(default_factory=lambda: _EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths(Closed):
    """Where things stand inside the target's container; `code` is the folder of its package."""

    config: str = "/etc/panotti/panotti.toml"
    secrets: str = "/run/secrets"
    tls: str = "/run/tls"
    data: str = "/data"
    state: str = "/run/panotti"
    code: str = "/app"


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasing(Closed):
    """How one release takes the place of another. All run in a container of the release's own image.

    schema: prints the newest revision that its code knows, and needs no settings. migrate: with ${phase}.
    env: tells it by which ${version} it is put into service. ready_within_s: a release of which all
    answers, and not all is ready after this time, has failed.
    """

    ready_within_s: float
    schema: tuple[str, ...]
    migrate: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicated(Closed):
    """A topology of several containers, on the runtime `containers`, in the profiles that are named.

    file: its Compose file, beside the contract's own kind in deploy/. application, edge: services of it.
    parts: the services behind what the server calls its dependencies. secrets: made beside `launch.secrets`.
    release: None where releases are not put into service by the harness.
    """

    file: str
    profiles: tuple[Profile, ...]
    application: str
    edge: str
    parts: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    secrets: Mapping[str, SecretKind] = field(default_factory=dict)
    release: Releasing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch(Closed):
    """How the target is started. port: where it listens in a container. ready_path: 2xx once it can serve."""

    app: str = ""
    command: tuple[str, ...] = ()
    port: int = 8000
    redirect_port: int = 0
    ready_path: str = "/health"
    ready_within_s: float = 30.0
    settings_prefix: str = ""
    env: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    secrets: Mapping[str, SecretKind] = field(default_factory=dict)
    api_key: ApiKey = field(default_factory=lambda: ApiKey(env="API_KEY"))
    tls: Tls = field(default_factory=lambda: Tls(profiles=()))
    container: Container = field(default_factory=Container)
    paths: Paths = field(default_factory=Paths)
    topology: Replicated | None = None

    def __post_init__(self) -> None:
        if self.api_key.secret and self.api_key.secret not in self.secrets:
            raise ValueError(f'api_key names the secret "{self.api_key.secret}", which secrets does not list')


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract(Closed):
    """One target's contract."""

    name: str
    http: Http = field(default_factory=Http)
    launch: Launch = field(default_factory=Launch)
    capabilities: Capabilities = field(default_factory=Capabilities)

    @overload
    def capability(self, name: Literal["health"]) -> Health: ...
    @overload
    def capability(self, name: Literal["recordings"]) -> Recordings: ...
    @overload
    def capability(self, name: Literal["tokens"]) -> Tokens: ...
    @overload
    def capability(self, name: Literal["sessions"]) -> Sessions: ...
    @overload
    def capability(self, name: Literal["administration"]) -> Administration: ...
    @overload
    def capability(self, name: Literal["description"]) -> Description: ...
    @overload
    def capability(self, name: Literal["describe"]) -> Describe: ...
    @overload
    def capability(self, name: Literal["version"]) -> Version: ...
    @overload
    def capability(self, name: Literal["logs"]) -> Logs: ...
    @overload
    def capability(self, name: Literal["docs"]) -> Docs: ...

    def capability(self, name: str) -> object:
        """Return what the contract says of a capability. Raises `Absent` where it names none."""
        found: object = getattr(self.capabilities, name)
        if found is None:
            raise Absent(f"the contract names no capability '{name}'")
        return found

    def unmanaged(self) -> Contract:
        """Return it without administration: with one key, and nobody who could make another."""
        return replace(self, capabilities=replace(self.capabilities, administration=None))

    def path(self, dotted: str) -> str:
        """Return a path, base path included: `path("health.ready")`. Raises `Absent` where there is none."""
        name, _, key = dotted.partition(".")
        capability = getattr(self.capabilities, name)
        path = getattr(capability, key) if capability is not None else None
        if path is None:
            raise Absent(f"the contract names no path '{dotted}'")
        return f"{self.http.base_path}{path}"

    def filled(self, template: str, value: str = "none") -> str:
        """Return a path of the policy's routes, base path included, with `value` for every {parameter}."""
        return self.http.base_path + re.sub(r"\{\w+\}", value, template)

    @property
    def present(self) -> frozenset[str]:
        """The names of the capabilities it has."""
        return frozenset(
            f.name for f in fields(Capabilities) if getattr(self.capabilities, f.name) is not None
        )


def read_contract(path: Path) -> Contract:
    """Return the contract of a file. Raises `ContractError` naming file, key and the nearest valid key."""
    return to_record(
        Contract,
        read_toml(path, error=ContractError),
        source=path,
        remedy="Correct these keys; deploy/contract.toml is an example of every one.",
        error=ContractError,
    )
