"""A policy: what must hold in one profile."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import Field

from harness.catalogue import load
from harness.policy.levels import ServiceLevels
from harness.policy.releases import Releases
from harness.policy.searches import Fuzz, Scans
from harness.policy.sections import (
    Addresses,
    Auth,
    Cors,
    Environment,
    Gate,
    Headers,
    Health,
    Inherited,
    Logging,
    Rate,
    Resources,
    Server,
    Startup,
    Tls,
    Topology,
)
from harness.policy.values import CredentialKind, RoleName, Route
from harness.profiles import Profile
from harness.tomlfile import Closed, nearest

_TLS = "middleware.security.tls"
Reason = Annotated[str, Field(min_length=10)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Closed):
    """What must hold in `profile`.

    roles: for every route, as "POST /api/recording-started", who may call it; nobody else may.
    credentials: routes that take one kind of credential only.
    not_applicable: control id -> reason; controls of other profiles by their nature are among them.
    source: the file it came from.
    """

    profile: Profile
    environment: Environment
    server: Server
    cors: Cors
    auth: Auth
    roles: Mapping[Route, tuple[RoleName, ...]]
    credentials: Mapping[Route, CredentialKind]
    rate: Rate
    addresses: Addresses
    tls: Tls
    headers: Headers
    logging: Logging
    health: Health
    startup: Startup
    topology: Topology
    resources: Resources
    service_levels: ServiceLevels
    releases: Releases
    scans: Scans
    fuzz: Fuzz
    gate: Gate
    inherited: Inherited | None = None
    not_applicable: Mapping[str, Reason]
    source: str

    def __post_init__(self) -> None:
        self._check_transport()
        for route, allowed in self.roles.items():
            for role in allowed:
                if role not in self.auth.roles:
                    raise ValueError(f'roles."{route}": unknown role; {nearest(role, self.auth.roles)}')
        for route in self.credentials:
            if route not in self.roles:
                raise ValueError(
                    f'credentials."{route}": no such route in roles; {nearest(route, self.roles)}'
                )

    def _check_transport(self) -> None:
        # An excuse inherited by a profile that has since gone over to TLS would hide it from the gate.
        excused = _TLS in self.not_applicable
        if excused and self.environment.transport == "tls":
            raise ValueError(f'not_applicable."{_TLS}": the transport is "tls", so it applies')
        if not excused and self.environment.transport == "plain":
            raise ValueError(f'environment.transport is "plain": say why in not_applicable."{_TLS}"')

    @property
    def required(self) -> tuple[str, ...]:
        """The ids of the controls that the gate requires, in catalogue order."""
        return tuple(control.id for control in load().match(self.gate.required))

    @property
    def sha256(self) -> str:
        """Digest of what it says, whatever file says it."""
        tables = dataclasses.asdict(self)
        del tables["source"]
        return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()

    def inherits(self, control: str, source: Policy) -> bool:
        """Whether a control that holds under the policy `source` holds under this one, its premise given."""
        if self.inherited is None or self.inherited.source != source.profile:
            return False
        if control == self.inherited.premise:
            return False
        asked = any(fnmatchcase(control, glob) for glob in self.inherited.controls)
        return asked and self._shared() == source._shared()

    def _shared(self) -> dict[str, object]:
        own = {"profile", "source", "environment", "cors", "gate", "inherited", "not_applicable"}
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in own}

    def may(self, role: str, route: str) -> bool:
        """Whether a caller in `role` is let in. Raises KeyError for a route without a rule."""
        return role in self.roles[route]
