"""Production is closed, and does not start with a secret that anybody could know."""

from __future__ import annotations

import hashlib

import pytest

from harness import control, defect, edit, floor, setting
from harness.probes.starts import Attempt, Mistake, refused
from harness.redaction import VAULT
from harness.site import Site
from suites.middleware.rigged import CAUSE, RIGGED
from suites.refusals import MISSING_IS_MADE_UP, MISSING_IS_NOT_NAMED

ID = "deployment.environments.production"
PRODUCTION = ("production",)
ANYWHERE = ("/docs", "/redoc", "/openapi.json", "/swagger", "/swagger.json", "/api/docs")
# The signs of a stack trace or a debugger in what a client gets.
LEAST = 8  # characters; a shorter value stands in a message by chance
DISCLOSURES = ("Traceback (most recent call last)", 'File "', "RuntimeError", ".py", CAUSE)

DOCS_SWITCH_IGNORED = edit(
    "the documentation pages are served in every profile",
    "panotti/app.py",
    "(*ROUTERS, docs.router) if settings.docs else ROUTERS",
    "(*ROUTERS, docs.router)",
)
DOCS_LEFT_ON = defect(
    "docs left on in production",
    setting(DOCS="true"),
    edit("", "panotti/configuration.py", 'for name in ("docs", "debug", "reload") if', "for name in () if"),
)
DEBUG_LEFT_ON = defect(
    "debug left on in production",
    setting(DEBUG="true"),
    edit("", "panotti/configuration.py", 'for name in ("docs", "debug", "reload") if', "for name in () if"),
)
PLAIN_CONTENT = edit(
    "the plain listener serves the application",
    "panotti/worker.py",
    '_listener(redirect, settings, None, lifespan="off")',
    '_listener(app, settings, None, lifespan="on")',
)
PLAIN_HEALTH = edit(
    "the plain listener answers the health check itself",
    "panotti/redirect.py",
    "        name = host_name(scope)\n",
    '        if scope["path"].startswith("/health"):\n'
    '            await send({"type": "http.response.start", "status": 200, "headers": []})\n'
    '            await send({"type": "http.response.body", "body": b"ok"})\n'
    "            return\n"
    "        name = host_name(scope)\n",
)
TRACEBACKS = edit(
    "debug tracebacks: the client gets the stack",
    "panotti/middleware/errors.py",
    '        return Problem(500, "Internal Server Error")',
    "        import traceback\n\n"
    '        return Problem(500, "Internal Server Error", "".join(traceback.format_exception(exception)))',
)
EXCEPTION_NAMES = edit(
    "the client gets the exception's name and text",
    "panotti/middleware/errors.py",
    '        return Problem(500, "Internal Server Error")',
    '        return Problem(500, "Internal Server Error", repr(exception))',
)
GUARD_FORGETS_TLS = edit(
    "starts without a certificate",
    "panotti/configuration.py",
    "    if not settings.tls:\n",
    "    if False:\n",
)
GUARD_FORGETS_SWITCHES = edit(
    "docs and debug are accepted in production",
    "panotti/configuration.py",
    'for name in ("docs", "debug", "reload") if',
    'for name in ("reload",) if',
)
EMPTY_IS_ACCEPTED = edit(
    "boots with an empty API key",
    "panotti/secrets.py",
    '        return "it is empty"',
    '        return None if name == "api_key" else "it is empty"',
)
DEFAULTS_ARE_ACCEPTED = edit(
    "boots with a key copied from the example",
    "panotti/secrets.py",
    "if any(word.encode() in lowered for word in DEFAULTS):",
    "if lowered in {word.encode() for word in DEFAULTS}:",
)
REPETITION_IS_ACCEPTED = edit(
    "boots with a repetitive key",
    "panotti/secrets.py",
    "if value in (value + value)[1:-1] or _entropy_bits(value) < MINIMUM_ENTROPY_BITS:",
    "if _entropy_bits(value) < 8:",
)
ENVIRONMENT_IS_ACCEPTED = edit(
    "secrets are taken from the environment in production",
    "panotti/configuration.py",
    "        for name, variable in _secret_variables().items()\n    ]\n    if not settings.tls",
    "        for name, variable in ()\n    ]\n    if not settings.tls",
)
REFUSAL_SHOWS_VALUE = edit(
    "the refusal prints the secret",
    "panotti/secrets.py",
    'problems.append(f"secret {name} ({source}) is too weak: {reason}")',
    'problems.append(f"secret {name} ({source}) is too weak: {reason}: {value.decode()}")',
)
REFUSAL_SHOWS_VARIABLE = edit(
    "the refusal prints the environment's secret",
    "panotti/configuration.py",
    'not from the environment variable {variable}"\n        for',
    'not from the environment variable {variable}={os.environ[variable]}"\n        for',
)


@pytest.fixture
def serving(site: Site) -> None:
    """The floor of every claim about what is not served: a right key is let in, and something is served."""
    reply = site.http.get(site.contract.path("health.simple"))
    floor(reply.status == 200, f"the health check answered {reply.status or reply.error}, not 200")
    site.recording()


@control(ID, profiles=PRODUCTION, broken_by=(DOCS_SWITCH_IGNORED, DOCS_LEFT_ON))
def test_documentation_is_not_served(site: Site, serving: None) -> None:
    """Nobody, not even an administrator, is served the documentation pages."""
    declared = site.contract.capabilities.docs
    key = site.key("admin")

    for path in dict.fromkeys((*(declared.paths if declared else ()), *ANYWHERE)):
        for credential in (None, key):
            reply = site.http.get(f"{site.contract.http.base_path}{path}", key=credential)
            assert reply.status in {401, 403, 404, 410}, f"{path} is served: {reply.status or reply.error}"


@control(ID, profiles=PRODUCTION, broken_by=(DEBUG_LEFT_ON, DOCS_LEFT_ON))
def test_docs_debug_and_reload_are_off(site: Site) -> None:
    """What runs has documentation, debug mode and reload switched off."""
    settings = site.described.settings

    for name in ("docs", "debug", "reload"):
        assert settings.get(name) is False, f"the setting {name} is {settings.get(name)!r}, not off"


@control(ID, profiles=PRODUCTION, broken_by=(GUARD_FORGETS_SWITCHES, GUARD_FORGETS_TLS))
def test_unsafe_settings_are_refused_by_name(site: Site) -> None:
    """It does not start with documentation, debug mode or reload switched on, nor without a certificate."""
    site.contract.capability("describe")
    tls = site.contract.launch.tls.env
    floor(tls, "the contract does not say by which variables the certificate is given")
    switches = [
        Mistake(name=name, variation=setting(**{name.upper(): "true"}))
        for name in ("docs", "debug", "reload")
    ]
    without = setting(title="no certificate", **dict.fromkeys(tls))

    attempts = site.starts.attempts(
        [*switches, Mistake(name="tls_cert_file", variation=without)],
        timeout_s=site.policy.startup.refused_within_s,
    )

    refused(attempts)


@control(ID, profiles=PRODUCTION, broken_by=(PLAIN_CONTENT, PLAIN_HEALTH))
def test_plain_http_serves_nothing(site: Site, serving: None) -> None:
    """Over plain HTTP no content is served, with a right key or without."""
    assert site.deployment.base_url.startswith("https:"), "the service itself speaks plain HTTP"
    if site.deployment.plain_url is None:
        return  # there is no other listener, and the one there is speaks TLS

    key = site.key()
    for path in (site.contract.path("health.simple"), site.contract.path("recordings.started")):
        reply = site.http.get(path, base="plain", key=key)
        floor(reply.status, f"the plain listener did not answer: {reply.error}")
        assert not reply.ok, f"{path} is served over plain HTTP: {reply.status}"
        assert reply.headers.get("location", "https:").startswith("https:"), "it redirects to plain HTTP"


@control(ID, profiles=PRODUCTION, setup=RIGGED, broken_by=(TRACEBACKS, EXCEPTION_NAMES))
def test_failure_shows_no_stack_to_the_client(site: Site) -> None:
    """An unhandled exception tells the client neither its stack nor its cause."""
    reply = site.http.get(site.contract.path("version.path"), key=site.key("reader"))

    floor(
        reply.status == 500, f"the planted failure was answered with {reply.status or reply.error}, not 500"
    )
    shown = [sign for sign in DISCLOSURES if sign in reply.text]
    assert not shown, f"the answer to a failure shows: {', '.join(shown)}"


@control(ID, profiles=PRODUCTION, broken_by=(MISSING_IS_MADE_UP, MISSING_IS_NOT_NAMED))
def test_missing_secret_is_refused_by_name(site: Site) -> None:
    """It does not start without any of its secrets, and says which one is missing."""
    startup = site.policy.startup
    mistakes = [Mistake(name=name, variation=site.starts.secret(name, None)) for name in startup.missing]

    refused(site.starts.attempts(mistakes, timeout_s=startup.refused_within_s))


@control(
    ID, profiles=PRODUCTION, broken_by=(EMPTY_IS_ACCEPTED, DEFAULTS_ARE_ACCEPTED, REPETITION_IS_ACCEPTED)
)
def test_weak_or_default_secret_is_refused_by_name(site: Site) -> None:
    """It does not start with an empty, default, short or guessable secret, and says which one it is."""
    refused(_weak(site))


@control(ID, profiles=PRODUCTION, broken_by=ENVIRONMENT_IS_ACCEPTED)
def test_secret_in_the_environment_is_refused_by_name(site: Site) -> None:
    """It does not start with a secret given by the environment, which every listing of processes shows."""
    refused(_by_environment(site)[0])


@control(ID, profiles=PRODUCTION, broken_by=(REFUSAL_SHOWS_VALUE, REFUSAL_SHOWS_VARIABLE))
def test_refusal_never_prints_the_secret(site: Site) -> None:
    """A refused secret is named, and its value is not printed."""
    attempts, values = _by_environment(site)
    refused = [*_weak(site), *attempts]
    output = "\n".join(attempt.failure.output for attempt in refused if attempt.failure)

    floor(any(attempt.mistake.named_in(output) for attempt in refused), "no start was refused by name")
    values += [(name, value) for name, weak in site.policy.startup.weak.items() for value in weak if value]
    shown = sorted({name for name, value in values if len(value) >= LEAST and value in output})
    assert not shown, f"the refusal prints the value of {', '.join(shown)}"


def _weak(site: Site) -> list[Attempt]:
    startup = site.policy.startup
    mistakes = [
        Mistake(name=name, variation=site.starts.secret(name, value))
        for name, values in startup.weak.items()
        for value in values
    ]
    return site.starts.attempts(mistakes, timeout_s=startup.refused_within_s)


def _by_environment(site: Site) -> tuple[list[Attempt], list[tuple[str, str]]]:
    """The attempts, and the values given: good ones, the same whenever this deployment is asked."""
    startup, given = site.policy.startup, []
    for name in startup.from_environment:
        value = hashlib.sha256(f"{site.deployment.api_key}{name}".encode()).hexdigest()
        VAULT.learn(value, f"${name.upper()}")
        given.append((name, value))
    mistakes = [
        Mistake(
            name=name,
            variation=setting(title=f"secret {name} in the environment", **{name.upper(): value}),
        )
        for name, value in given
    ]
    return site.starts.attempts(mistakes, timeout_s=startup.refused_within_s), given
