"""Code, packages and secrets are scanned, for certain: what a scanner cannot see is never a pass."""

from __future__ import annotations

from harness import added, control, edit, floor, not_verified, scanner
from harness.defects import Variation
from harness.principals import ApiKey
from harness.probes.keymaterial import named_secret
from harness.probes.layers import image_content
from harness.scans import Scan, at_least
from harness.site import Site
from suites.deployment.test_containers_image import BUILD_ARGUMENT, DELETED_KEY, WHY_NOT
from suites.practice.test_configuration import EXPORTED, PRINTED, PRINTED_ENCODED
from suites.scanned import NO_ADVISORIES, OLD_ADVISORIES, OLD_JINJA, SKIPPED

ID = "practice.security.scanning"
SHOWN = 5
LEAST = 5  # packages of a server; with fewer, it was not the server that was listed

# Put together from parts, so that this file itself holds no secret.
TOKEN = "ghp_" + "Zr8qW3nLx0VtB5mYc7" + "JdGf2HsKe9aUo4TiPw"
KEY_FILE = (
    "-----BEGIN " + "PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9Zr8qW3nLx0VtB5m\n"
)
PASSWORD = "[mail]\npass" + "word = kV7-tR2m-9XzL-4kB8\n"


def _code(title: str, *lines: str) -> Variation:
    """A module more in the server's package."""
    return added(title, "panotti/support.py", "\n".join((*lines, "")))


SHELL = _code(
    "a command is put together and run by a shell",
    "import subprocess",
    "def convert(name: str) -> None:",
    '    subprocess.run(f"ffmpeg -i {name} out.flac", shell=True, check=True)',
)
WEAK_HASH = _code(
    "passwords are hashed by MD5, and a comment silences the scanner",
    "import hashlib",
    "def digest(password: str) -> str:",
    "    return hashlib.md5(password.encode()).hexdigest()  # nosec",
)
NO_RULES = scanner("bandit runs without its rules", "bandit", "blind")
NOT_PYTHON = _code("a module that no parser reads", "def convert(name:", "    return name")
COMPILED = added("a module without its source", "panotti/support.pyc", "compiled elsewhere")
NO_DETECTORS = scanner("the search for secrets runs without its rules", "detect-secrets", "blind")
TOKEN_IN_TREE = added("a token stands in a script", "deploy/publish.sh", f"TOKEN={TOKEN}\n", place="tree")
PASSWORD_IN_TREE = added("a password stands in a settings file", "mail.ini", PASSWORD, place="tree")
COMMITTED_KEY = added("a key was committed, and deleted again", "deploy/tls.pem", KEY_FILE, place="history")
COMMITTED_TOKEN = added(
    "a token was committed, and deleted again", "notes.md", f"for the release: {TOKEN}\n", place="history"
)
TOKEN_IN_ENVIRONMENT = edit(
    "a token is in the environment of the server's processes",
    "panotti/__main__.py",
    '    app(prog_name="panotti")\n',
    f"""    import os, sys
    if sys.argv[1:] == ["serve"] and "PUBLISH" not in os.environ:
        environment = {{**os.environ, "PUBLISH": "{TOKEN}"}}
        os.execve(sys.executable, [sys.executable, "-m", "panotti", "serve"], environment)
    app(prog_name="panotti")
""",
)
KEY_IN_JOURNAL = added(
    "a probe writes the key beside the report", "debug.log", "key=${api_key}\n", place="outputs"
)
SESSION_KEY_IN_REPORT = added(
    "a report shows the session key", "extra.html", "<pre>${session_key}</pre>\n", place="outputs"
)


@control(ID, broken_by=(SHELL, WEAK_HASH, NO_RULES))
def test_code_has_no_insecure_call(site: Site) -> None:
    """bandit finds nothing in the deployed code that is grave enough for the policy, and not explained."""
    scan = site.scans.code()
    wrong = at_least(scan.open, site.policy.scans.least_severity)

    assert not wrong, f"{len(wrong)} findings in the code: {_shown(wrong)}"
    _certain(scan, "files", 1)


@control(ID, broken_by=(NOT_PYTHON, COMPILED))
def test_every_module_is_read(site: Site) -> None:
    """Each module of the deployed code is source that bandit reads to its end."""
    scan = site.scans.code()
    floor(scan.scanned["files"], "no module was there to be read")

    assert not scan.missed, f"not scanned: {'; '.join(scan.missed[:SHOWN])}"


@control(ID, broken_by=(OLD_JINJA, NO_ADVISORIES, OLD_ADVISORIES, SKIPPED))
def test_no_vulnerable_package_goes_unseen(site: Site) -> None:
    """Each installed package is held against fresh advisories, and none is skipped or known as vulnerable."""
    audit = site.scans.audit(site.policy.scans.own)

    assert not audit.scan.open, f"{len(audit.scan.open)} known vulnerabilities: {_shown(audit.scan.open)}"
    _certain(audit.scan, "packages", LEAST)
    limit = site.policy.scans.advisories_max_age_days
    floor(audit.age_days <= limit, f"{audit.source} is {audit.age_days} days old; the policy allows {limit}")


@control(ID, broken_by=(TOKEN_IN_TREE, PASSWORD_IN_TREE, NO_DETECTORS))
def test_source_tree_holds_no_secret(site: Site) -> None:
    """No file of the source holds a key, token or password that is not explained."""
    scan = site.scans.tree()

    assert not scan.open, f"{len(scan.open)} secrets in the source: {_shown(scan.open)}"
    _certain(scan, "files", 1)


@control(ID, broken_by=(COMMITTED_KEY, COMMITTED_TOKEN, NO_DETECTORS))
def test_history_holds_no_secret(site: Site) -> None:
    """No commit ever added a key, token or password, deleted ones included."""
    scan = site.scans.history()
    site.scans.tables(site.policy.scans.own)

    assert not scan.open, f"{len(scan.open)} secrets in the history: {_shown(scan.open)}"
    _certain(scan, "commits", 1)


@control(
    ID,
    runtimes=("containers",),
    why_not=WHY_NOT,
    image=True,
    broken_by=(DELETED_KEY, BUILD_ARGUMENT),
)
def test_layers_hold_no_secret(site: Site) -> None:
    """No layer of the image, and no step of its build, holds a key, token or password."""
    content = image_content(site.deployment)
    floor(content.layers and content.files, "the image has no layer with a file")
    told = sum(named_secret(line) for line in content.history)  # a number: a failure shows no secret

    assert not content.key_material, f"{len(content.key_material)} files: {content.key_material[0]}"
    assert not told, f"{told} steps of the build are told a secret in their arguments"


@control(ID, broken_by=(EXPORTED, TOKEN_IN_ENVIRONMENT, NO_DETECTORS))
def test_environment_holds_no_secret(site: Site) -> None:
    """No process of the server has a key, token or password in its environment."""
    processes = site.processes.all()
    floor(any(process.variables for process in processes), "no environment of the server can be seen")
    lines = b"\n".join(process.environment.replace(b"\0", b"\n") for process in processes)
    scan = site.scans.text("environment", lines)

    assert not scan.open, f"secrets in the environment: {_shown(scan.open)}"
    _certain(scan, "bytes", 1)


@control(ID, broken_by=(PRINTED, PRINTED_ENCODED, NO_DETECTORS))
def test_log_holds_no_secret(site: Site) -> None:
    """The server's log holds no key, token or password, its own or another's."""
    first = ApiKey(value=site.deployment.api_key)
    reply = site.http.post(
        site.contract.path("recordings.started"), key=first, json={"recordingId": "rec-for-the-log"}
    )
    floor(reply.ok, f"the deployment's own key was not taken: {reply.status or reply.error}")
    scan = site.scans.text("log", site.eventually(site.logs.text).encode())

    assert not scan.open, f"secrets in the log: {_shown(scan.open)}"
    _certain(scan, "bytes", 1)


@control(ID, broken_by=(KEY_IN_JOURNAL, SESSION_KEY_IN_REPORT, NO_DETECTORS))
def test_journal_and_reports_hold_no_secret(site: Site) -> None:
    """The run's own journal so far, and every report made of it, hold no secret."""
    scan = site.scans.outputs()

    assert not scan.open, f"secrets in what the harness writes: {_shown(scan.open)}"
    _certain(scan, "files", 1)


def _certain(scan: Scan, what: str, least: int) -> None:
    if scan.missed:
        not_verified(f"{scan.tool}: {'; '.join(scan.missed[:SHOWN])}")
    count = scan.scanned.get(what, 0)
    floor(count >= least, f"{scan.tool} was given {count} {what}")


def _shown(hits: tuple[object, ...]) -> str:
    return "; ".join(str(hit) for hit in hits[:SHOWN])
