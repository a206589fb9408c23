"""From the text of a Compose file, and values for its variables, to a `Topology`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from harness.errors import ContractError
from harness.tomlfile import to_record
from harness.topology.schema import Topology

_VARIABLE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?:(?P<when>:?-)(?P<default>[^{}]*))?\})")
_REMEDY: Final = "Correct these places; harness/topology/schema.py lists every key that is realised."
Values = Mapping[str, str]


def read_topology(text: str, values: Values, *, source: str) -> Topology:
    """Return what a Compose file describes. Raises `ContractError` naming each wrong place.

    values: of its variables; one that has neither a value nor a default is an error.
    """
    try:
        tables = yaml.safe_load(text)
    except yaml.YAMLError as cause:
        where = " ".join(str(cause).split())
        raise ContractError(f"{source}: not YAML: {where}", remedy="Correct the file there.") from None
    if not isinstance(tables, dict):
        raise ContractError(f"{source}: a mapping of services is expected", remedy=_REMEDY)
    filled = _filled(tables, values, source)
    return to_record(Topology, _normal(filled), source=source, remedy=_REMEDY, error=ContractError)


def _filled(node: Any, values: Values, source: str) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, values, source) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, values, source) for value in node]
    return _interpolated(node, values, source) if isinstance(node, str) else node


def _interpolated(text: str, values: Values, source: str) -> str:
    def fill(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        value = values.get(match["name"])
        if value is None or (not value and match["when"] == ":-"):
            value = match["default"]
        if value is None:
            raise ContractError(
                f"{source}: ${{{match['name']}}} has no value and no default", remedy="Give it a default."
            )
        return value

    return _VARIABLE.sub(fill, text)


def _normal(tables: dict[str, Any]) -> dict[str, Any]:
    """Bring Compose's two notations of networks and dependencies to one; drop what is there for anchors."""
    tables = {key: value for key, value in tables.items() if not str(key).startswith("x-")}
    services = tables.get("services")
    if isinstance(services, dict):
        tables["services"] = {name: _service(service) for name, service in services.items()}
    for part in ("networks", "volumes"):
        if isinstance(tables.get(part), dict):
            tables[part] = {name: value or {} for name, value in tables[part].items()}
    return tables


def _service(service: Any) -> Any:
    if not isinstance(service, dict):
        return service
    service = {("x_secrets" if key == "x-secrets" else key): value for key, value in service.items()}
    networks, dependencies = service.get("networks"), service.get("depends_on")
    if isinstance(networks, list):
        service["networks"] = {name: {} for name in networks}
    elif isinstance(networks, dict):
        service["networks"] = {name: value or {} for name, value in networks.items()}
    if isinstance(dependencies, list):
        service["depends_on"] = {name: {"condition": "service_started"} for name in dependencies}
    if isinstance(service.get("command"), str):
        service["command"] = service["command"].split()
    return service
