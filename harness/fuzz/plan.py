"""Who calls which operation, and what a valid request to it is: from policy and contract."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

import orjson

from harness.contract import Contract
from harness.credentials import Credentials
from harness.fuzz.description import operations
from harness.fuzz.order import Caller, Known, Operation
from harness.policy import Policy
from harness.principals import TENANT
from harness.probes.calls import ANONYMOUS, Calls, Kind
from harness.probes.message import compose, parts_of

# A tenant of its own: what an administrator's invented request hits there is nobody else's.
_OWN: Final = "tenant-fuzz"
_CREWS: Final = 3
_SAFE: Final = {"GET", "HEAD", "OPTIONS"}
_LEAVERS: Final = 3
_KINDS: Final[tuple[Kind, ...]] = ("key", "token", "session")


class Plan:
    """Makes callers and valid requests; everyone who is made here is of the campaign's own tenant.

    read_only: nobody and nothing is made, and only operations are named that change nothing (RFC 9110,
    9.2.1): `credentials` are of a contract without administration then.
    """

    def __init__(
        self, contract: Contract, policy: Policy, credentials: Credentials, *, read_only: bool = False
    ) -> None:
        self._read_only = read_only
        self._contract = contract
        self._policy = policy
        managed = contract.capabilities.administration is not None
        tenant = _OWN if managed else TENANT
        # A target without administration has one key, which may do everything.
        self._roles = [r for r in policy.auth.roles if managed or r in (ANONYMOUS, "admin")]
        self._crews = [Calls(contract, credentials, tenant=tenant) for _ in range(_CREWS if managed else 1)]
        self._leavers: dict[tuple[str, int], Calls] = defaultdict(
            lambda: Calls(contract, credentials, tenant=tenant)
        )
        self._kinds = [kind for kind in _KINDS if kind == "key" or (managed and self._has(kind))]
        self.callers: dict[str, Caller] = {}

    def operations(self, document: Any) -> tuple[Operation, ...]:
        """Return the operations of a description, with their callers and valid requests."""
        named = (route for route in operations(document) if not self._read_only or is_safe(route))
        return tuple(self._operation(route) for route in named)

    def _operation(self, route: str) -> Operation:
        may = [r for r in self._roles if route not in self._policy.roles or self._policy.may(r, route)]
        if self._leaves(route):
            may = may[:1]  # each call takes a login of its own
        allowed = tuple(name for role in may for name in self._of_role(route, role))
        others = [role for role in self._roles if role not in may and not self._leaves(route)]
        refused = tuple(name for role in others for name in self._of_role(route, role))
        return Operation(
            name=route,
            allowed=allowed or refused,
            refused=refused if allowed else (),
            known=tuple(self._known(route, may[-1] if may else ANONYMOUS)),
        )

    def _of_role(self, route: str, role: str) -> Iterator[str]:
        """Yield the names of the callers of a role; whoever is not known yet is made."""
        if role == ANONYMOUS:
            self.callers.setdefault(ANONYMOUS, Caller(name=ANONYMOUS, fields=(), account=""))
            yield ANONYMOUS
            return
        for crew, calls, kind in self._ways(route):
            name = f"{role} by {kind} {crew}"
            if name not in self.callers:
                presented = parts_of(calls.caller(route, role, kind))
                shown = compose("POST", "/", auth_header=self._contract.http.auth_header, **presented)
                fields = tuple((n, v.decode("latin-1")) for n, v in shown.fields)
                account = f"{'user' if kind == 'session' else 'key'} {role} {crew}"
                self.callers[name] = Caller(name=name, fields=fields, account=account)
            yield name

    def _ways(self, route: str) -> Iterator[tuple[str, Calls, Kind]]:
        """Yield how a role presents itself: several keys for their quotas, one of each other kind."""
        only = self._policy.credentials.get(route)
        if self._leaves(route):
            for number in range(_LEAVERS):  # each a user of its own: one may end all its sessions
                yield f"to {route}, {number}", self._leavers[route, number], "session"
            return
        for number, calls in enumerate(self._crews, 1):
            for kind in self._kinds:
                if (only is None or kind == only) and (kind == "key" or number == 1):
                    yield str(number), calls, kind

    def _known(self, route: str, role: str) -> Iterator[Known]:
        if self._read_only:
            yield Known(parameters={})  # to know of something it would have to be made
            return
        if self._leaves(route):
            yield from (Known(parameters={}) for _ in range(_LEAVERS))
            return
        template = self._contract.http.base_path + route.partition(" ")[2]
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]*)", re.escape(template))
        for calls in self._crews:
            call = calls.make(route, role, self._policy.credentials.get(route, "key"))
            found, body = re.fullmatch(pattern, call.path), call.options.get("json")
            yield Known(
                parameters=found.groupdict() if found else {},
                body="" if body is None else orjson.dumps(body).decode(),
            )

    def _leaves(self, route: str) -> bool:
        """Whether its caller's credential is used up by it."""
        return self._policy.credentials.get(route) == "session" and self._crews[0].ends_session(route)

    def _has(self, kind: Kind) -> bool:
        has = self._contract.capabilities
        return (has.tokens if kind == "token" else has.sessions) is not None


def is_safe(route: str) -> bool:
    """Whether a route's method changes nothing on the server."""
    return route.partition(" ")[0] in _SAFE
