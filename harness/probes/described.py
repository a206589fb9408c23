"""What the server says it would run: middleware, routes, settings; by the contract's `describe` command."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from harness.contract import Contract
from harness.evidence import record, waiting_for_target
from harness.outcome import NotVerified
from harness.records import Json, Observation
from harness.runtimes import CannotShow, Deployment

_ADDRESS = re.compile(r"[0-9a-f]*[.:][0-9a-f.:]*[0-9a-f]")
_COMMAND_S = 60.0


class DescribedProbe:
    """Asks one deployment once. Raises Absent without the capability, AssertionError for no JSON object."""

    def __init__(self, deployment: Deployment, contract: Contract) -> None:
        self._deployment = deployment
        self._contract = contract

    @cached_property
    def text(self) -> str:
        """Everything that the command printed, secrets included: search in it, do not show it."""
        return "".join(self._printed)

    @cached_property
    def _printed(self) -> tuple[str, str]:
        return self._run(())

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return self._parsed(self._printed[0])

    @property
    def document(self) -> Mapping[str, Any]:
        """The description."""
        document = self._document
        _record(document, "as it runs")
        return document

    def document_with(self, **environment: str | None) -> Mapping[str, Any]:
        """Return what it would run with these variables changed; None takes one away."""
        taken = [word for name, value in environment.items() if value is None for word in ("-u", name)]
        given = [f"{name}={value}" for name, value in environment.items() if value is not None]
        document = self._parsed(self._run(("env", *taken, *given))[0])
        _record(document, f"with {' '.join((*taken, *given))}")
        return document

    @property
    def middleware(self) -> list[str]:
        """The middleware by name, outermost first."""
        layers = self.document.get("middleware")
        assert isinstance(layers, list), "the description names no middleware"
        assert layers, "the description's middleware is empty"
        return [str(layer) for layer in layers]

    @property
    def routes(self) -> frozenset[str]:
        """The routes, as "POST /api/recording-started"; those that the API description hides included."""
        routes = self.document.get("routes")
        assert isinstance(routes, list), "the description names no routes"
        return frozenset(
            f"{route.get('method')} {route.get('path')}" for route in routes if isinstance(route, dict)
        )

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings by their names."""
        settings = self.document.get("settings")
        assert isinstance(settings, dict), "the description holds no settings"
        assert settings, "the description's settings are empty"
        return settings

    @property
    def placed(self) -> frozenset[str]:
        """The settings by which the deployment is put in its place: paths, ports and addresses of its own."""
        launch = self._contract.launch
        variables = {**launch.env, **launch.tls.env}
        return frozenset(
            name.removeprefix(launch.settings_prefix).lower()
            for name, value in variables.items()
            if "${" in value
        )

    @property
    def comparable(self) -> dict[str, Any]:
        """The settings; of those that put it in its place only the shape: "address/32", a file's name."""
        return {name: shape(value) if name in self.placed else value for name, value in self.settings.items()}

    def _run(self, before: Sequence[str]) -> tuple[str, str]:
        command = self._contract.capability("describe").command
        try:
            with waiting_for_target():
                done = self._deployment.execute((*before, *command), timeout_s=_COMMAND_S)
        except CannotShow as cause:
            raise NotVerified(str(cause)) from None
        assert done.status == 0, f"`{' '.join(command)}` ended with status {done.status}"
        return done.stdout, done.stderr

    @staticmethod
    def _parsed(text: str) -> Mapping[str, Any]:
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        assert isinstance(document, dict), "the description is not a JSON object"
        return document


def shape(value: object) -> object:
    """Return what of a place's value is the same wherever it is."""
    match value:
        case bool() | None:
            return value
        case int():
            return "number" if value else 0
        case str() if value.startswith("/"):
            return PurePosixPath(value).name
        case str():
            return _ADDRESS.sub("address", value)
        case list():
            return [shape(item) for item in value]
        case _:
            return value


def _record(document: Mapping[str, Any], how: str) -> None:
    shown: dict[str, Json] = {
        name: document[name] for name in ("profile", "middleware", "settings") if name in document
    }
    record(Observation(subject=f"what the server would run, {how}", data=shown))
