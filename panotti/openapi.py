"""The API description: what FastAPI finds, with the rules and the problem documents added."""

from __future__ import annotations

from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from panotti import __version__
from panotti.routes.docs import TITLE
from panotti.rules import Rule, route_table
from panotti.schemas import ProblemDocument

SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-panotti_session"},
}
PROBLEM = {
    "description": "A problem document (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
}
ALWAYS = ("400", "404", "405", "408", "413", "415", "421", "422", "429", "431", "500", "503", "507")
GUARDED = ("401", "403", "409")


def describe_api(routes: list[BaseRoute]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    document = get_openapi(title=TITLE, version=__version__, routes=routes)
    components = document.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    schemas = components.setdefault("schemas", {})
    schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    table = route_table(routes)
    for path, operations in document["paths"].items():
        route = table.find(path)
        for method, operation in operations.items():
            if route is not None:
                _complete(operation, route.methods[method.upper()])
    return document


def _complete(operation: dict[str, Any], rule: Rule) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in ALWAYS if rule.role is None else (*ALWAYS, *GUARDED):
        responses.setdefault(status, PROBLEM)
    operation["x-rule"] = rule.label
    operation["security"] = [] if rule.role is None else [{name: []} for name in _schemes(rule)]


def _schemes(rule: Rule) -> tuple[str, ...]:
    return tuple(SCHEMES) if rule.credential is None else (rule.credential,)
