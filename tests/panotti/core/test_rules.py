"""Every route has a rule, and the rule holds for every role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Mount

from panotti.app import Application, build_app
from panotti.describe import describe, routes
from panotti.errors import UnruledRouteError
from panotti.rules import PUBLIC, route_table, rule
from panotti.settings import Settings
from tests.panotti.core.client import Client
from tests.panotti.core.conftest import SECRETS, Serve

KeyOf = Callable[..., dict[str, str]]

RULES = {
    "GET /health": "public",
    "GET /health/live": "public",
    "GET /health/ready": "public",
    "GET /health/startup": "public",
    "GET /health/detail": "admin",
    "GET /version": "reader",
    "POST /api/recording-started": "writer",
    "POST /api/recording-ended": "writer",
    "PUT /api/recordings/{recording_id}/state": "writer",
    "GET /api/recordings": "reader",
    "GET /api/recordings/{recording_id}": "reader",
    "GET /api/recordings/{recording_id}/events": "reader",
    "POST /auth/token": "reader",
    "POST /auth/refresh": "public",
    "POST /auth/revoke": "public",
    "POST /auth/login": "public",
    "GET /auth/session": "reader",
    "POST /auth/logout": "reader",
    "POST /auth/logout-all": "reader",
    "GET /admin/api-keys": "admin",
    "POST /admin/api-keys": "admin",
    "POST /admin/api-keys/{key_id}/rotate": "admin",
    "DELETE /admin/api-keys/{key_id}": "admin",
    "GET /admin/users": "admin",
    "POST /admin/users": "admin",
}
RANKS = ["reader", "writer", "admin"]


async def endpoint() -> None:
    """Serves a route in these tests."""


def test_the_rules_are_these() -> None:
    found = describe(Settings(), SECRETS)["routes"]

    assert {f"{route['method']} {route['path']}": route["rule"] for route in found} == RULES


@pytest.mark.parametrize("role", RANKS)
def test_each_role_may_do_what_the_rules_say(server: Client, key_of: KeyOf, role: str) -> None:
    headers = key_of(role)
    for route, needed in RULES.items():
        method, path = route.split(" ")
        reply = server.request(method, path.format(recording_id="x", key_id="x"), headers=headers)
        session_only = "logout" in path
        refused = session_only or (needed != "public" and RANKS.index(role) < RANKS.index(needed))
        assert (reply.status_code == 403) is refused, (route, reply.status_code)


@pytest.mark.parametrize("route", [route for route, needed in RULES.items() if needed != "public"])
def test_nobody_passes_a_rule_without_a_credential(server: Client, route: str) -> None:
    method, path = route.split(" ")

    assert server.request(method, path.format(recording_id="x", key_id="x")).status_code == 401


def test_a_route_without_a_rule_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter()
    router.add_api_route("/new", endpoint, methods=["POST"])
    monkeypatch.setattr("panotti.app.ROUTERS", (router,))

    with pytest.raises(UnruledRouteError, match="POST /new has no rule"):
        build_app(Settings(), SECRETS)


def test_a_mounted_application_has_no_rule() -> None:
    with pytest.raises(UnruledRouteError, match="Mount /other has no rule"):
        route_table([Mount("/other", FastAPI())])


def test_routes_in_routers_in_routers_are_found() -> None:
    inner, outer, app = APIRouter(), APIRouter(), FastAPI(openapi_url=None)
    inner.add_api_route("/deep", rule(PUBLIC)(endpoint), methods=["GET"])
    outer.include_router(inner)
    app.include_router(outer)

    assert [route.path for route in route_table(app.routes)] == ["/deep"]


@pytest.mark.parametrize("path", ["/API/recordings", "/api/recordings/", "//api/recordings", "/nothing"])
def test_another_spelling_of_a_path_is_another_path(server: Client, admin: dict[str, str], path: str) -> None:
    assert server.get(path, headers=admin).status_code == 404


def test_another_method_is_refused_with_the_methods_there_are(server: Client) -> None:
    reply = server.delete("/admin/users")

    assert reply.status_code == 405
    assert reply.headers["allow"] == "GET, POST"


def test_the_body_of_a_refused_request_is_not_read(server: Client) -> None:
    sent: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        sent.append(b"{}")
        yield b"{}"

    reply = server.post("/api/recording-started", content=body())

    assert reply.status_code == 401
    assert sent == []


def test_the_description_names_rules_schemes_and_problems() -> None:
    document = routes(Settings(), SECRETS).openapi()

    described = {
        f"{method.upper()} {path}": operation["x-rule"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == RULES
    token = document["paths"]["/auth/token"]["post"]
    assert token["security"] == [{"key": []}]
    assert document["paths"]["/health"]["get"]["security"] == []
    refusal = document["paths"]["/version"]["get"]["responses"]["401"]
    assert list(refusal["content"]) == ["application/problem+json"]


def test_the_description_is_served_only_where_docs_are_on(serve: Serve) -> None:
    off, on = serve(), serve(docs=True)

    for path in ("/openapi.json", "/docs", "/redoc"):
        assert off.get(path).status_code == 404
        assert on.get(path).status_code == 200
    assert "/openapi.json" not in on.get("/openapi.json").json()["paths"]


def test_the_bare_routes_serve_whoever_they_are_given() -> None:
    assert isinstance(build_app(Settings(), SECRETS, middleware=False), Application)


def test_a_description_of_the_deployment_shows_no_secret() -> None:
    text = repr(describe(Settings(), SECRETS))

    assert SECRETS.api_key not in text
    assert "'api_key': '[secret]'" in text
    assert "AuthenticationMiddleware" in text
