"""Allowed request headers, exposed response headers and the maximum age are exactly the policy's."""

from __future__ import annotations

from harness import control, defect, edit, floor, setting
from harness.probes.cors import FOREIGN, lets_read, lets_send, listed_origin
from harness.site import Site

CORS = "panotti/middleware/cors.py"
SETTINGS = "panotti/configuration.py"
LISTED = "Authorization,Content-Type,Idempotency-Key,X-API-Key,X-CSRF-Token,X-Request-ID"
TOLD = "headers=self.preflight_headers"
UNLISTED = (
    "x-evil",
    "x-forwarded-for",
    "x-http-method-override",
    "x-original-url",
    "x-api-key-2",
    "x-api",
    "*",
)

REFLECTED = defect(
    "the requested headers are reflected",
    edit("", CORS, "if wanted - self.headers and", "if False and"),
    edit("", CORS, '(b"access-control-allow-headers", ", ".join(names).encode("ascii")),', ""),
    edit(
        "",
        CORS,
        TOLD,
        "headers=(*self.preflight_headers, *(\n"
        '                    (b"access-control-allow-headers", asked_for)\n'
        '                    for asked_for in values(scope, b"access-control-request-headers")\n'
        "                ))",
    ),
)
ANY = defect(
    "any header is allowed",
    edit("", SETTINGS, '"cors_methods", "cors_headers", ', '"cors_methods", '),
    setting(CORS_HEADERS="*"),
)
TOO_MANY = setting(title="X-Forwarded-For is allowed", CORS_HEADERS=f"{LISTED},X-Forwarded-For")
LEFT_OUT = setting(title="X-CSRF-Token is left out", CORS_HEADERS=LISTED.replace(",X-CSRF-Token", ""))
EXPOSES_ANY = defect(
    "any header is exposed",
    edit("", SETTINGS, '"cors_headers", "cors_expose_headers"', '"cors_headers"'),
    setting(CORS_EXPOSE_HEADERS="*"),
)
EXPOSES_LESS = setting(
    title="Retry-After is not exposed", CORS_EXPOSE_HEADERS="X-Request-ID,RateLimit,RateLimit-Policy"
)
ERRORS_EXPOSE_NOTHING = edit(
    "errors expose no header",
    CORS,
    "headers += (*granted, *fields)",
    'headers += (*granted, *fields[message["status"] >= 400 :])',
)
A_WEEK = edit("preflights are remembered for a week", CORS, 'b"%d" % max_age', 'b"604800"')
NO_AGE = edit("no maximum age is told", CORS, '(b"access-control-max-age", b"%d" % max_age),', "")


@control("middleware.cors.headers", broken_by=(ANY, TOO_MANY, LEFT_OUT))
def test_a_preflight_names_exactly_the_listed_headers(site: Site) -> None:
    """A preflight for all the policy's request headers passes, and is answered with exactly these."""
    cors, path = site.policy.cors, site.contract.path("recordings.started")
    for origin in cors.origins:
        reply = site.http.preflight(path, origin, "POST", cors.headers)
        named = reply.headers.members("access-control-allow-headers")

        assert lets_send(reply, origin, "POST", cors.headers), f"from {origin} they are not let through"
        assert named == set(cors.headers), f"not as the policy says: {sorted(named ^ set(cors.headers))}"


@control("middleware.cors.headers", broken_by=(REFLECTED, ANY, TOO_MANY))
def test_no_other_header_passes_a_preflight(site: Site) -> None:
    """A browser sends no request with an unlisted header, alone or among listed ones."""
    cors, path = site.policy.cors, site.contract.path("recordings.started")
    origin = listed_origin(cors.origins)
    passed = site.http.preflight(path, origin, "POST", ["content-type"])
    assert lets_send(passed, origin, "POST", ["content-type"]), "a listed header does not pass either"
    for name in UNLISTED:
        for asked in ([name], [name, *cors.headers]):
            reply = site.http.preflight(path, origin, "POST", asked)
            floor(reply, f"no answer to a preflight for {name}")

            assert not lets_send(reply, origin, "POST", asked), f"{name} passes"


@control("middleware.cors.headers", broken_by=(EXPOSES_ANY, EXPOSES_LESS, ERRORS_EXPOSE_NOTHING))
def test_exactly_the_listed_headers_are_exposed(site: Site) -> None:
    """A page reads exactly the policy's response headers, of a refusal as well."""
    path, started = site.contract.path("health.simple"), site.contract.path("recordings.started")
    wanted = set(site.policy.cors.expose_headers)
    for origin in site.policy.cors.origins:
        answer, refusal = site.http.get(path, origin=origin), site.http.post(started, origin=origin)
        floor(answer.ok, f"{path} answers {answer.status or answer.error}")
        floor(400 <= refusal.status < 500, f"a request without a key is not refused: {refusal.status}")
        for reply in (answer, refusal):
            exposed = reply.headers.members("access-control-expose-headers")

            assert lets_read(reply, origin), f"{reply.status} may not be read from {origin}"
            assert exposed == wanted, f"{reply.status} not as the policy says: {sorted(exposed ^ wanted)}"


@control("middleware.cors.headers", broken_by=(A_WEEK, NO_AGE))
def test_a_preflight_is_remembered_as_long_as_the_policy_says(site: Site) -> None:
    """A withdrawn grant ends within the policy's maximum age."""
    origin, path = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    reply = site.http.preflight(path, origin, "POST", ["content-type"])
    told = reply.headers.get_list("access-control-max-age")

    assert lets_send(reply, origin, "POST", ["content-type"]), f"the preflight does not pass: {reply.status}"
    assert told == [str(site.policy.cors.max_age_s)], f"told {told}, not {site.policy.cors.max_age_s} s"


@control(
    "middleware.cors.headers",
    broken_by=edit(
        "preflights tell everybody what is allowed",
        CORS,
        "preflight.refusal)\n",
        "preflight.refusal, preflight.headers)\n",
    ),
)
def test_a_refused_preflight_allows_nothing(site: Site) -> None:
    """A foreign origin is told neither methods, headers nor an age."""
    origin, path = listed_origin(site.policy.cors.origins), site.contract.path("recordings.started")
    assert lets_send(site.http.preflight(path, origin, "POST"), origin, "POST"), "nobody's preflight passes"
    reply = site.http.preflight(path, FOREIGN, "POST", ["x-api-key"])
    floor(reply, "no answer to a foreign preflight")
    told = [name for name in reply.headers if name.startswith("access-control-")]

    assert not told, f"a foreign origin is told {', '.join(told)}"
