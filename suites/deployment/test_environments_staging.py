"""Staging is production in everything but what the policy declares, and production is never the laxer one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness import container, control, edit, floor, record, setting
from harness.defects import Variation
from harness.probes.reply import Reply
from harness.records import Observation
from harness.site import Site

ID = "deployment.environments.staging"
STAGING = ("staging",)
HEADERS_THAT_VARY = {"content-length"}


def _staging(defect: Variation) -> Variation:
    return replace(defect, profile="staging")


def _production(defect: Variation) -> Variation:
    return replace(defect, profile="production")


LAYER = "        partial(HostsMiddleware, hosts=settings.public_hosts),\n"
MISSING = _staging(edit("the host filter is missing in staging only", "panotti/app.py", LAYER, ""))
SWAPPED = _staging(
    edit(
        "authentication before the host filter, in staging only",
        "panotti/app.py",
        LAYER,
        "        partial(AuthenticationMiddleware, table=table),\n" + LAYER,
    )
)
NO_HEADERS = _staging(
    edit(
        "the security headers are off in staging only",
        "panotti/middleware/security_headers.py",
        '        if scope["type"] != "http":',
        '        if scope["type"]:',
    )
)
OTHER_IMAGE = _staging(
    edit(
        "staging runs an image of its own",
        "deploy/Dockerfile",
        'LABEL org.opencontainers.image.title="PanottiServer"',
        'LABEL org.opencontainers.image.title="PanottiServer (staging)"',
    )
)
OTHER_CONTAINER_IMAGE = _production(
    edit(
        "production was built anew instead of promoted",
        "deploy/Dockerfile",
        "EXPOSE 8000\n",
        "EXPOSE 8000\nENV BUILT_FOR=production\n",
    )
)
OTHER_LIMIT = _staging(container("replicas have half the memory in staging", mem_limit="256m"))
OTHER_NETWORK = _production(
    edit(
        "the database is at the edge in production only",
        "deploy/compose.yaml",
        "    networks: [data]\n    volumes:\n      - postgres-data",
        "    networks: [edge, data]\n    volumes:\n      - postgres-data",
    )
)
PATCHED = _staging(
    edit(
        "a line of code was patched on staging",
        "panotti/middleware/hosts.py",
        '"""The names that this server answers to."""',
        '"""The names that this server answers to, for now."""',
    )
)
OTHER_QUOTA = _staging(setting(title="staging has quotas of its own", RATE_KEY_QUOTA="1000"))
OTHER_PROXY = _staging(setting(title="staging trusts every proxy", TRUSTED_PROXIES="0.0.0.0/0"))
SAME_ORIGINS = _staging(
    setting(
        title="staging has production's origins",
        CORS_ORIGINS="https://app.panotti.test,https://admin.panotti.test",
    )
)
LONGER_SESSIONS = _production(setting(title="sessions live longer in production", SESSION_IDLE_TTL="7200"))
MORE_METHODS = _production(
    setting(title="production lets pages of other origins delete", CORS_METHODS="GET,POST,PUT,DELETE")
)
OPEN_ROUTE = _production(
    edit(
        "an administrator's page is open in production only",
        "panotti/routes/health.py",
        '@router.get("/health/detail", response_model=None)\n@rule(ADMIN)',
        '@router.get("/health/detail", response_model=None)\n@rule(PUBLIC)',
    )
)


@control(
    ID,
    profiles=STAGING,
    broken_by=(OTHER_IMAGE, OTHER_CONTAINER_IMAGE),
    runtimes=("containers",),
    why_not="only a container runs an image; as a process, the code is compared instead",
)
def test_staging_runs_the_image_of_production(site: Site) -> None:
    """Both containers run the image of one digest."""
    ours, theirs = _image(site), _image(_production_of(site))
    record(Observation(subject="images", data={"staging": ours, "production": theirs}))

    floor(ours.startswith("sha256:") and theirs.startswith("sha256:"), "a container does not tell its image")
    assert ours == theirs, f"staging runs {ours[:19]}, production {theirs[:19]}"


@control(
    ID,
    profiles=STAGING,
    broken_by=(OTHER_LIMIT, OTHER_NETWORK),
    runtimes=("containers",),
    why_not="only the runtime `containers` brings up a topology",
)
def test_staging_has_the_topology_of_production(site: Site) -> None:
    """The same containers: images, commands, users, limits, rights, mounts and networks."""
    ours, theirs = site.topology.shape(), _production_of(site).topology.shape()

    floor(len(theirs) > 1, "production is no topology of several containers")
    differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    told = "; ".join(f"{name}: {_difference(ours.get(name), theirs.get(name))}" for name in differing[:3])
    assert not differing, f"{len(differing)} containers differ: {told}"


@control(ID, profiles=STAGING, broken_by=(PATCHED, MISSING))
def test_staging_runs_the_code_of_production(site: Site) -> None:
    """The application's files are the same, byte for byte."""
    ours, theirs = site.files.tree("code").hashes, _production_of(site).files.tree("code").hashes

    floor(ours, "no file of the application is seen")
    differing = sorted(path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))
    assert not differing, f"{len(differing)} files differ: {', '.join(differing[:5])}"


@control(ID, profiles=STAGING, broken_by=(MISSING, SWAPPED))
def test_staging_has_the_middleware_of_production(site: Site) -> None:
    """The same middleware stands in the same order."""
    ours, theirs = site.described.middleware, _production_of(site).described.middleware

    assert ours == theirs, f"staging runs {', '.join(ours)}; production {', '.join(theirs)}"


@control(ID, profiles=STAGING, broken_by=(NO_HEADERS, MISSING))
def test_staging_answers_like_production(site: Site) -> None:
    """To the same requests both give the same status and the same header fields."""
    ours, theirs = _answers(site), _answers(_production_of(site))

    floor(all(theirs.values()) and theirs["served"].ok, "production does not serve")
    for name, reply in ours.items():
        wanted = theirs[name]
        assert reply.status == wanted.status, (
            f"{name}: staging answers {reply.status}, production {wanted.status}"
        )
        fields, expected = _fields(reply), _fields(wanted)
        assert fields == expected, f"{name}: header fields differ: {', '.join(sorted(fields ^ expected))}"


@control(ID, profiles=STAGING, broken_by=(OTHER_QUOTA, OTHER_PROXY, SAME_ORIGINS))
def test_settings_differ_exactly_as_declared(site: Site) -> None:
    """The settings in which the two differ are exactly those that the policy declares."""
    ours, theirs = site.described.comparable, _production_of(site).described.comparable

    differing = {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}
    declared = set(site.policy.environment.differences)
    assert not differing - declared, f"undeclared differences: {', '.join(sorted(differing - declared))}"
    assert not declared - differing, f"declared, but equal: {', '.join(sorted(declared - differing))}"


@control(ID, profiles=STAGING, broken_by=(LONGER_SESSIONS, MORE_METHODS))
def test_no_setting_of_production_is_laxer(site: Site) -> None:
    """No limit is higher and no list longer in production than in staging."""
    environment = site.policy.environment
    ours, theirs = site.described.comparable, _production_of(site).described.comparable

    floor(environment.no_higher and environment.no_wider, "the policy names no settings to be compared")
    absent = [
        name
        for name in (*environment.no_higher, *environment.no_wider)
        if name not in ours or name not in theirs
    ]
    assert not absent, f"the description lacks settings: {', '.join(absent)}"
    higher = [name for name in environment.no_higher if theirs[name] > ours[name]]
    assert not higher, f"higher in production: {', '.join(higher)}"
    wider = [name for name in environment.no_wider if set(theirs[name]) - set(ours[name])]
    assert not wider, f"wider in production: {', '.join(wider)}"


@control(ID, profiles=STAGING, broken_by=OPEN_ROUTE)
def test_no_route_of_production_is_more_open(site: Site) -> None:
    """Whoever staging turns away, production turns away too."""
    twin = _production_of(site)
    routes = [route.partition(" ")[2] for route in site.policy.roles if route.startswith("GET ")]
    paths = [path for path in routes if "{" not in path]
    readers = site.key("reader"), twin.key("reader")
    floor(twin.http.get(site.contract.path("recordings.list"), key=readers[1]).ok, "production serves nobody")

    for path in paths:
        for who, credentials in (("anybody", (None, None)), ("a reader", readers)):
            ours = site.http.get(path, key=credentials[0])
            theirs = twin.http.get(path, key=credentials[1])
            assert ours.ok or not theirs.ok, (
                f"production serves {path} to {who}, staging answers {ours.status}"
            )


def _production_of(site: Site) -> Site:
    twin = site.twin("production")
    floor(
        twin.deployment.base_url != site.deployment.base_url, "staging and production are one deployment here"
    )
    return twin


def _image(site: Site) -> str:
    container = site.deployment.inspect()["container"]
    return str(container.get("Image", "")) if isinstance(container, Mapping) else ""


def _difference(ours: object, theirs: object) -> str:
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return "it stands in one of them only"
    return ", ".join(f"{k} {ours.get(k)} and {theirs.get(k)}" for k in theirs if ours.get(k) != theirs.get(k))


def _answers(site: Site) -> dict[str, Reply]:
    listing, started = site.contract.path("recordings.list"), site.contract.path("recordings.started")
    origin = site.policy.cors.origins[0]
    key = site.key()
    return {
        "served": site.http.get(listing, key=key, origin=origin),
        "without a key": site.http.get(listing),
        "an unknown page": site.http.get("/no-such-page", key=key),
        "an unknown host": site.http.get(listing, key=key, headers={"Host": "elsewhere.example"}),
        "a preflight": site.http.preflight(started, origin),
        "a preflight from elsewhere": site.http.preflight(started, "https://evil.example"),
        "a method it does not have": site.http.delete(listing, key=key),
        "a body that is not JSON": site.http.post(started, key=key, content=b"{"),
        "a body that lacks everything": site.http.post(started, key=key, json={}),
    }


def _fields(reply: Reply) -> set[str]:
    return set(reply.headers) - HEADERS_THAT_VARY
