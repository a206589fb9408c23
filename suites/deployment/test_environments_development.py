"""Development starts with one command, tells everything, and stays on its own machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from harness import control, edit, floor, setting
from harness.defects import Variation
from harness.site import Site

ID = "deployment.environments.development"
DEVELOPMENT = ("development",)
FOREIGN = (
    "https://evil.example",
    "http://192.0.2.10:3000",
    "http://localhost.evil.example",
    "http://localhost:31337",
    "null",
)

ANY_ORIGIN = setting(title="development accepts any origin", CORS_ORIGINS="*")
ORIGIN_REFLECTED = edit(
    "every origin is reflected",
    "panotti/middleware/cors.py",
    "        if origin[0] in self.origins:",
    "        if origin[0]:",
)
TEAM_ORIGIN = setting(
    title="the team's machine is listed beside loopback",
    CORS_ORIGINS="http://localhost:3000,http://127.0.0.1:3000,http://192.0.2.10:3000",
)
SECRETS_DEMANDED = edit(
    "development demands its secrets first",
    "panotti/secrets.py",
    'elif profile.guarded or (name == "api_key" and profile is Profile.TESTING):',
    "elif True:",
)
KEY_ASKED_FOR = edit(
    "the start asks for the key on the terminal",
    "panotti/cli.py",
    'if "api_key" in secrets.generated:\n',
    'if "api_key" in secrets.generated and typer.prompt("Use a made-up key?"):\n',
)
LISTENS_EVERYWHERE = edit(
    "left alone, it listens on every address",
    "panotti/settings.py",
    'api_host: str = Field(default="127.0.0.1"',
    'api_host: str = Field(default="0.0.0.0"',
)
HOST_IGNORED = edit(
    "the profile's file opens it to the network",
    "deploy/profiles/development.toml",
    'profile = "development"\n',
    'profile = "development"\napi_host = "::"\n',
)


@control(ID, profiles=DEVELOPMENT, broken_by=(SECRETS_DEMANDED, KEY_ASKED_FOR))
def test_one_command_starts_it(site: Site) -> None:
    """The command alone starts it: no secret, no certificate and no other step is needed before."""
    launch = site.contract.launch
    floor(launch.app or launch.command, "the contract names no command")
    names = [*launch.secrets]
    nothing = Variation(title="nothing prepared", changes=())
    for name in names:
        nothing += site.starts.secret(name, None)
    if launch.tls.env:
        nothing += setting(title="no certificate", **dict.fromkeys(launch.tls.env))

    failure = site.starts.outcome(nothing, timeout_s=launch.ready_within_s)

    said = failure.output.strip().splitlines()[-1] if failure and failure.output.strip() else "nothing"
    assert failure is None, f"with nothing prepared it does not start; it says: {said}"


@control(
    ID,
    profiles=DEVELOPMENT,
    broken_by=(
        setting(title="docs off in development", DOCS="false"),
        edit(
            "the description is missing from the pages",
            "panotti/routes/docs.py",
            '@router.get("/openapi.json", response_model=None)',
            '@router.get("/openapi.yaml", response_model=None)',
        ),
    ),
)
def test_documentation_is_served(site: Site) -> None:
    """The documentation pages are on, and describe the service's own routes."""
    started = site.contract.path("recordings.started").removeprefix(site.contract.http.base_path)

    for path in site.contract.capability("docs").paths:
        reply = site.http.get(f"{site.contract.http.base_path}{path}")
        assert reply.status == 200, f"{path} answered {reply.status or reply.error}, not 200"
        assert reply.media_type in {"text/html", "application/json"}, f"{path} is {reply.media_type}"
        if reply.media_type == "application/json":
            assert started in (reply.field("paths") or {}), f"{path} does not describe {started}"


@control(
    ID,
    profiles=DEVELOPMENT,
    broken_by=(
        setting(title="development logs like production", LOG_LEVEL="info"),
        edit(
            "the debug level is lost on the way to the log",
            "panotti/supervisor.py",
            "logs.configure(settings.log_level)",
            'logs.configure("info")',
        ),
    ),
)
def test_debug_records_are_logged(site: Site) -> None:
    """The log tells what it tells at debug level only."""
    site.contract.capability("logs")
    floor(site.logs.records(), "the log has no structured record at all")

    assert site.policy.environment.log_level == "debug", "the policy does not ask for debug records"
    assert site.logs.records(level="debug"), "no record of the log is of level debug"


@control(ID, profiles=DEVELOPMENT, broken_by=(ANY_ORIGIN, ORIGIN_REFLECTED, TEAM_ORIGIN))
def test_only_loopback_origins_are_granted(site: Site) -> None:
    """Pages of this machine that the policy lists may call it, and no page from anywhere else."""
    path, listed = site.contract.path("recordings.started"), site.policy.cors.origins
    for origin in listed:
        reply = site.http.preflight(path, origin)
        assert reply.headers.get("access-control-allow-origin") == origin, f"{origin} is not granted"
    floor(listed, "the policy lists no origin")
    outside = [origin for origin in listed if not _is_loopback(urlsplit(origin).hostname or "")]
    assert not outside, f"the policy lists origins of other machines: {', '.join(outside)}"

    for origin in FOREIGN:
        for reply in (site.http.preflight(path, origin), site.http.get(path, origin=origin)):
            granted = reply.headers.get("access-control-allow-origin")
            assert not granted, f"a page on {origin} is granted: {granted}"


@control(ID, profiles=DEVELOPMENT, broken_by=(LISTENS_EVERYWHERE, HOST_IGNORED))
def test_left_alone_it_listens_on_loopback(site: Site) -> None:
    """Without an address given it listens on this machine's loopback only."""
    launch = site.contract.launch
    variables = [name for name, value in launch.env.items() if "${host}" in value]
    bare = [name.removeprefix(launch.settings_prefix) for name in variables]

    document = site.described.document_with(**dict.fromkeys([*variables, *bare]))

    floor(variables, "the contract names no variable for the address")
    settings = document.get("settings")
    host = str(settings.get(bare[0].lower(), "")) if isinstance(settings, dict) else ""
    assert _is_loopback(host), f"without an address given it listens on {host or 'an unknown address'}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
