"""The routes that a target's API description names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from harness.contract import Contract
from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.probes.http import HttpProbe
from harness.records import Json, Observation
from harness.runtimes import CannotShow, Deployment

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_COMMAND_S = 60.0


class OpenApiProbe:
    """Reads one deployment's description (OpenAPI 3): from its path, or where that is not served by its
    command.

    Raises Absent where the contract names none, NotVerified where none can be read.
    """

    def __init__(self, deployment: Deployment, http: HttpProbe, contract: Contract) -> None:
        self._deployment = deployment
        self._http = http
        self._contract = contract

    @property
    def routes(self) -> frozenset[str]:
        """The routes that it names, as "POST /api/recording-started"."""
        found = frozenset(_routes(self._document))
        listed: list[Json] = [*sorted(found)]
        record(Observation(subject=f"{len(found)} routes are described", data={"routes": listed}))
        return found

    @property
    def document(self) -> Any:
        """The description as the target gave it; whether it is one is for the reader to see."""
        return self._document

    @cached_property
    def _document(self) -> Any:
        description = self._contract.capability("description")
        if description.path is not None:
            reply = self._http.get(self._contract.path("description.path"))
            if reply.ok:
                return reply.json()
        if not description.command:
            raise NotVerified(
                "the target serves no API description, and the contract names no command for it"
            )
        return self._printed(description.command)

    def _printed(self, command: tuple[str, ...]) -> Any:
        try:
            with waiting_for_target():
                done = self._deployment.execute(command, timeout_s=_COMMAND_S)
        except CannotShow as cause:
            raise NotVerified(str(cause)) from None
        assert done.status == 0, f"`{' '.join(command)}` ended with status {done.status}"
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise NotVerified(f"`{' '.join(command)}` printed no JSON") from None


def _routes(document: Any) -> Iterator[str]:
    paths = document.get("paths") if isinstance(document, dict) else None
    for path, operations in paths.items() if isinstance(paths, dict) else ():
        for method in operations if isinstance(operations, dict) else ():
            if method in _METHODS:
                yield f"{method.upper()} {path}"
