"""The target's API description as the fuzzer needs it: without credentials, with requests that are valid."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from harness.fuzz.order import Operation, Order

METHODS: Final = ("get", "put", "post", "delete", "patch")
HEADERS: Final = (
    *("Accept", "Authorization", "Content-Type", "Cookie", "Idempotency-Key", "If-None-Match", "Origin"),
    *("Range", "X-Forwarded-For", "X-Request-ID"),
)
_INVENTED: Final = "nickname"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value goes: into the body instead of it, into one member of it, into a part of the target.

    free: a member that is an object and may hold anything, such as metadata.
    """

    kind: Literal["body", "member", "path", "query", "header"]
    name: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is known of an operation's places."""

    operation: Operation
    places: tuple[Place, ...]


def operations(document: Any) -> Iterator[str]:
    """Yield the operations that a description names, as "POST /api/recording-started"."""
    paths = document.get("paths") if isinstance(document, dict) else None
    for path, found in paths.items() if isinstance(paths, dict) else ():
        for method in found if isinstance(found, dict) else ():
            if method in METHODS:
                yield f"{method.upper()} {path}"


def for_fuzzing(order: Order) -> dict[str, Any]:
    """Return the description with what is to be fuzzed, the known requests of each operation as its examples.

    Without `security`: the fuzzer would make credentials up, and its requests would be refused for them.
    """
    document = copy.deepcopy(dict(order.description))
    document.pop("security", None)
    document.pop("servers", None)
    document.get("components", {}).pop("securitySchemes", None)
    wanted = {operation.name: operation for operation in order.operations}
    paths: dict[str, Any] = {}
    for path, item in document.get("paths", {}).items():
        kept = {key: value for key, value in item.items() if key not in METHODS}
        for method in METHODS:
            operation = wanted.get(f"{method.upper()} {path}")
            if operation is not None and method in item:
                kept[method] = _with_examples(item[method], operation)
        if kept.keys() & set(METHODS):
            paths[path] = kept
    return {**document, "paths": paths}


def shape(document: Mapping[str, Any], operation: Operation) -> Shape:
    """Return what a description says of the places of an operation's values."""
    method, _, path = operation.name.partition(" ")
    found = document["paths"][path][method.lower()]
    query = [p["name"] for p in found.get("parameters", ()) if p.get("in") == "query"]
    places = [Place(kind="header", name=name) for name in HEADERS]
    places += [Place(kind="query", name=name) for name in (*query, _INVENTED)]
    places += [Place(kind="path", name=name) for known in operation.known[:1] for name in known.parameters]
    if members := _members(document, found, operation):
        places.append(Place(kind="body"))
        places += [Place(kind="member", name=name, free=free) for name, free in members.items()]
        places.append(Place(kind="member", name=_INVENTED))
    return Shape(operation=operation, places=tuple(places))


def _members(
    document: Mapping[str, Any], found: Mapping[str, Any], operation: Operation
) -> Mapping[str, bool]:
    """The members of an operation's body, and whether each may hold anything."""
    members: dict[str, bool] = {}
    for known in operation.known:
        body = orjson.loads(known.body) if known.body else None
        members.update((name, False) for name in (body if isinstance(body, dict) else ()))
    for name, declared in _schema(document, found).get("properties", {}).items():
        kinds = [declared, *declared.get("anyOf", ()), *declared.get("oneOf", ())]
        members[name] = any(kind.get("type") == "object" and "properties" not in kind for kind in kinds)
    return members


def _with_examples(found: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    made = {**found}
    made.pop("security", None)
    made["parameters"] = [_parameter(p, operation) for p in found.get("parameters", ())]
    content = found.get("requestBody", {}).get("content", {})
    bodies = {str(n): {"value": orjson.loads(k.body)} for n, k in enumerate(operation.known) if k.body}
    if "application/json" in content and bodies:
        media = {**content["application/json"], "examples": bodies}
        made["requestBody"] = {**found["requestBody"], "content": {**content, "application/json": media}}
    return made


def _parameter(declared: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    if declared.get("in") != "path":
        return {**declared}
    values = dict.fromkeys(
        k.parameters[declared["name"]] for k in operation.known if declared["name"] in k.parameters
    )
    if not values:
        return {**declared}
    return {**declared, "examples": {str(n): {"value": value} for n, value in enumerate(values)}}


def _schema(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an operation's JSON body, {} where it has none."""
    content = operation.get("requestBody", {}).get("content", {})
    schema: Mapping[str, Any] = content.get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = _at(document, schema["$ref"])
    return schema


def _at(document: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    """What a reference within the document leads to (RFC 6901), {} where that is nothing."""
    found: Any = document
    for step in pointer.split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
