"""The image and how it runs (CIS Docker Benchmark, sections 4 and 5): few rights, no secret in any layer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from harness import container, control, edit, floor, record
from harness.defects import Variation
from harness.probes.keymaterial import named_secret
from harness.probes.layers import ImageContent, image_content
from harness.probes.leaks import leaks
from harness.probes.rights import ProcessRights, process_rights, tried_writes
from harness.records import Observation
from harness.site import Site

CONTROL = "deployment.containers.image"
WHY_NOT = "only the runtime `containers` has an image and a container to look into"
# The image is that of every profile; in `testing` one server shows it.
imaged = partial(control, CONTROL, runtimes=("containers",), why_not=WHY_NOT, prove_in="testing")
LABELS: Final = "org.opencontainers.image."
LAST: Final = "ENV PANOTTI_REVISION=${REVISION}"


def last(title: str, *lines: str) -> Variation:
    """Steps at the end of the recipe, so that all before them need not be built anew."""
    return edit(title, "deploy/Dockerfile", LAST, "\n".join((LAST, *lines)))


def as_root(*commands: str) -> tuple[str, ...]:
    """Steps of the image's build, each a layer of its own."""
    return ("USER root", *(f"RUN {command}" for command in commands), "USER 10001:10001")


DELETED_KEY = last(
    "a key is baked into a layer, and a later layer deletes it",
    *as_root(
        "openssl genpkey -algorithm ed25519 -out /etc/panotti/signing.pem", "rm /etc/panotti/signing.pem"
    ),
)
BUILD_ARGUMENT = last(
    "a token is a build argument's default", "ARG REGISTRY_TOKEN=q7VtR2m9XzL4kB8wNc3HdY6sFpJ0aGuE"
)
APT_LISTS = last("apt's lists are left behind", *as_root("apt-get update"))
ENV_IN_IMAGE = last(
    "a password is in the image's environment", "ENV DATABASE_PASSWORD=w8Kq3ZrT5vXn2LbY7dMc9HsJ4pGf6AeU"
)
ENV_AT_RUN = container(
    "a token is given by the environment", environment="SMTP_TOKEN=b5Nc8VyQ2kXr7ZtL4wHm9DsJ3pGf6AeU"
)
ROOT_IMAGE = last("the image's user is root", "USER root")
NAMED_USER = last("the image's user is known by name only", "USER nobody")
ROOT_PROCESS = container("the server runs as root", user="0:0")
VERSION_SKEW = edit(
    "the version's label is written by hand",
    "deploy/Dockerfile",
    '.image.version="${VERSION}"',
    '.image.version="1.0.0"',
)
NO_REVISION = edit(
    "no label for the revision", "deploy/Dockerfile", '.image.revision="${REVISION}"', '.image.licenses="MIT"'
)
NO_HEALTHCHECK = last("no HEALTHCHECK", "HEALTHCHECK NONE")
HEALTHCHECK_FAILS = last(
    "the HEALTHCHECK calls a program that the image lacks",
    'HEALTHCHECK CMD ["curl", "-fsSk", "https://127.0.0.1:8000/health/live"]',
)
WRITABLE_ROOT = container("the root file system is writable", read_only=False)
NOTHING_DROPPED = container("no capability is dropped", cap_drop="")
CAPABILITY_ADDED = container("a capability is added", cap_add="NET_ADMIN")
NEW_PRIVILEGES = container("no-new-privileges is off", security_opt="")


@imaged(image=True, broken_by=(DELETED_KEY, BUILD_ARGUMENT))
def test_no_layer_holds_a_secret(site: Site) -> None:
    """No layer holds a key or token, deleted files included, nor does a command or argument of the build."""
    content = _content(site)
    told = sum(named_secret(line) for line in content.history)  # a number: a failure shows no secret

    assert not content.key_material, "; ".join(f"{f}: {', '.join(f.kinds)}" for f in content.key_material)
    assert not told, f"{told} steps of the build are told a secret in their arguments"


@imaged(image=True, broken_by=APT_LISTS)
def test_no_layer_holds_caches_of_package_managers(site: Site) -> None:
    """No layer holds package lists or packages, which only make the image larger and tell what to attack."""
    caches = _content(site).caches
    assert not caches, f"{len(caches)} files, {sum(f.size for f in caches)} bytes: {caches[0]}, ..."


@imaged(broken_by=(ENV_IN_IMAGE, ENV_AT_RUN))
def test_environment_holds_no_secret(site: Site) -> None:
    """Neither the image's environment nor the container's holds a secret: every listing shows it."""
    image, running = _described(site)
    variables = [*(image.get("Env") or ()), *(running["Config"].get("Env") or ())]
    floor(variables, "no environment is described")
    named = sorted({text.partition("=")[0] for text in variables if named_secret(text)})
    leaked = leaks("\n".join(variables), site.deployment.secrets)
    record(Observation(subject=f"{len(variables)} environment variables", data={"suspicious": [*named]}))

    assert not leaked, f"secrets of the deployment stand in the environment: {', '.join(leaked)}"
    assert not named, f"these variables hold what looks like a secret: {', '.join(named)}"


@imaged(broken_by=(ROOT_IMAGE, NAMED_USER, ROOT_PROCESS))
def test_image_and_processes_have_a_numeric_user_without_rights(site: Site) -> None:
    """The image names a numeric user that is not root (CIS 4.1), and no process runs as root."""
    user = str(_described(site)[0].get("User") or "")
    rights = _rights(site)

    numeric = re.fullmatch(r"(\d+)(:\d+)?", user)
    assert numeric, f"the image's user is {user or 'not set'}, not a number that shows that it is not root"
    assert int(numeric[1]) != 0, "the image's user is root"
    roots = [f"{process.name} ({process.pid})" for process in rights if 0 in process.uids]
    assert not roots, f"these processes run as root: {', '.join(roots)}"


@imaged(broken_by=(VERSION_SKEW, NO_REVISION))
def test_labels_tell_the_version_and_revision_that_answer(site: Site) -> None:
    """The OCI labels for version and revision are those that the running server reports."""
    answer = site.http.get(site.contract.path("version.path"), key=site.key())
    version, revision = answer.string("version"), answer.string("revision")
    floor(version and revision, f"the server reports no version and revision: {answer.status}")

    labels = _described(site)[0].get("Labels") or {}
    told = labels.get(f"{LABELS}version"), labels.get(f"{LABELS}revision")
    record(Observation(subject="version and revision, by label", data={"labels": [*told]}))
    assert told == (version, revision), f"the labels say {told}, the server says {(version, revision)}"


@imaged(broken_by=(NO_HEALTHCHECK, HEALTHCHECK_FAILS))
def test_healthcheck_is_declared_and_healthy(site: Site) -> None:
    """The image declares a HEALTHCHECK (CIS 4.6), and its command finds the running server healthy."""
    image, running = _described(site)
    kind, *words = (image.get("Healthcheck") or {}).get("Test") or ["NONE"]
    assert kind in ("CMD", "CMD-SHELL"), "the image declares no HEALTHCHECK"

    argv = ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
    # Docker's own state lags by three intervals, and says what a loaded machine was like then.
    state = running["State"].get("Health", {}).get("Status")
    done = site.deployment.execute(argv, timeout_s=30)
    record(
        Observation(subject=f"HEALTHCHECK {' '.join(argv)}", data={"status": done.status, "docker": state})
    )
    assert done.status == 0, f"{argv[0]}: status {done.status}: {(done.stderr or done.stdout)[-200:].strip()}"


@imaged(broken_by=WRITABLE_ROOT)
def test_root_file_system_cannot_be_written(site: Site) -> None:
    """Writing really fails on the root file system (CIS 5.13), and succeeds where data belongs."""
    data = site.deployment.path("data")
    folders = ("/", "/etc", "/usr", "/var/tmp")  # the last is open to everybody, but for this
    writes = tried_writes(site.deployment, (data, *folders))
    floor(writes[data] is None, f"the server's user cannot write anywhere: {writes[data]} in {data}")

    wrong = {folder: writes[folder] or "written" for folder in folders if writes[folder] != "EROFS"}
    assert not wrong, f"the root file system is not read-only: {wrong}"


@imaged(broken_by=(NOTHING_DROPPED, CAPABILITY_ADDED))
def test_no_process_has_or_can_get_a_capability(site: Site) -> None:
    """Every capability set of every process is empty (CIS 5.4), the bounding set included."""
    held = {
        f"{process.name} ({process.pid}) {name}": f"{value:016x}"
        for process in _rights(site)
        for name, value in process.capabilities.items()
        if value
    }
    assert not held, f"capabilities are left: {held}"


@imaged(broken_by=NEW_PRIVILEGES)
def test_no_process_can_gain_privileges(site: Site) -> None:
    """Every process runs with no-new-privileges (CIS 5.26), so that no setuid program helps it."""
    free = [f"{process.name} ({process.pid})" for process in _rights(site) if not process.no_new_privs]
    assert not free, f"these processes could gain privileges: {', '.join(free)}"


def _content(site: Site) -> ImageContent:
    content = image_content(site.deployment)
    floor(content.layers and content.files, "the image has no layer with a file")
    return content


def _described(site: Site) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The image's configuration, and the container, as Docker describes them."""
    found: Mapping[str, Any] = site.deployment.inspect()
    return found["image"].get("Config") or {}, found["container"]


def _rights(site: Site) -> tuple[ProcessRights, ...]:
    rights = process_rights(site.deployment)
    floor(any(process.pid == 1 for process in rights), "the server's main process is not seen")
    return rights
