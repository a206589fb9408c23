"""A preflight allows exactly the listed methods."""

from __future__ import annotations

from harness import control, defect, edit, floor, setting
from harness.probes.cors import lets_send, listed_origin, methods_of
from harness.site import Site

CORS = "panotti/middleware/cors.py"
UNLISTED = ("DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "patch", "*")

ANY = defect(
    "any method is allowed",
    edit("", "panotti/configuration.py", 'for name in ("cors_methods", ', "for name in ("),
    setting(CORS_METHODS="*"),
)
REFLECTED = defect(
    "the requested method is reflected",
    edit("", CORS, "if asked[0] not in self.methods and", "if False and"),
    edit(
        "",
        CORS,
        "headers=self.preflight_headers",
        'headers=((b"access-control-allow-methods", asked[0]), *self.preflight_headers[1:])',
    ),
)
DELETE = setting(title="DELETE is allowed", CORS_METHODS="GET,POST,PUT,DELETE")
PATCH = setting(title="PATCH is allowed, which no route has", CORS_METHODS="GET,POST,PUT,PATCH")
LEFT_OUT = setting(title="PUT is left out", CORS_METHODS="GET,POST")
MOVED = edit(
    "the only route with PUT has become POST, and PUT is still allowed",
    "panotti/routes/recordings.py",
    '@router.put("/recordings/{recording_id}/state"',
    '@router.post("/recordings/{recording_id}/state"',
)


@control("middleware.cors.methods", broken_by=(ANY, DELETE, PATCH, LEFT_OUT))
def test_a_preflight_names_exactly_the_listed_methods(site: Site) -> None:
    """Whatever the route, a preflight from a listed origin is answered with exactly the policy's methods."""
    origin, wanted = listed_origin(site.policy.cors.origins), set(site.policy.cors.methods)
    for path in dict.fromkeys(route.partition(" ")[2] for route in site.policy.roles):
        for method in site.policy.cors.methods:
            reply = site.http.preflight(site.contract.filled(path), origin, method)

            assert lets_send(reply, origin, method), f"{method} {path} is not let through ({reply.status})"
            assert methods_of(reply) == wanted, (
                f"{path} allows {sorted(methods_of(reply))}, not {sorted(wanted)}"
            )


@control("middleware.cors.methods", broken_by=(ANY, REFLECTED, DELETE, PATCH))
def test_no_other_method_passes_a_preflight(site: Site) -> None:
    """A browser sends no request with an unlisted method, whatever the route."""
    origin, path = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    assert lets_send(site.http.preflight(path, origin, "POST"), origin, "POST"), "POST does not pass either"
    for method in UNLISTED:
        if method not in site.policy.cors.methods:
            reply = site.http.preflight(path, origin, method)
            floor(reply, f"no answer to a preflight for {method}")

            assert not lets_send(reply, origin, method), f"{method} passes"


@control("middleware.cors.methods", broken_by=(PATCH, MOVED, ANY))
def test_every_allowed_method_is_one_that_a_route_has(site: Site) -> None:
    """No method is allowed that no route has."""
    origin, started = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    allowed = methods_of(site.http.preflight(started, origin, "POST"))
    assert allowed, "a preflight from a listed origin names no method"
    for method in sorted(allowed):
        paths = [path for m, _, path in (route.partition(" ") for route in site.policy.roles) if m == method]
        statuses = {site.http.request(method, site.contract.filled(path)).status for path in paths}

        assert statuses - {0, 404, 405, 501}, f"{method} is allowed, and no route has it: {sorted(statuses)}"
