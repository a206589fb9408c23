"""No secret stands where it can be read."""

from __future__ import annotations

import json
import re

from harness import container, control, edit, floor, not_applicable, secret_files
from harness.defects import Variation
from harness.principals import ApiKey
from harness.probes.needles import Needles, named_in, needles
from harness.probes.starts import Mistake, refused
from harness.site import Site

ID = "practice.configuration.secrets"
SECRET_NAME = re.compile(r"passw|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
LEAST = 8  # characters of a value that may be a secret
EVERYBODY, WRITE = 0o007, 0o222
# A private key, well-known kinds of tokens, and a long literal given to a name that says what it is.
WRITTEN_DOWN = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\\?n?\s*[\"'+\s]*[A-Za-z0-9+/]{32}"
    r"|\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[baprs]-[0-9A-Za-z-]{20}|sk_live_[0-9A-Za-z]{20})"
    r"|(?i:api_?key|secret|password|passwd|token)\w*[\"']?\s*[:=]\s*b?[\"'](?=[^\"']*\d)[A-Za-z0-9+/_=-]{20,}[\"']"
)


def _entry(title: str, lines: str) -> Variation:
    """A defect in the program's entry: what an image's start script would do."""
    body = "".join(f"    {line}\n" for line in lines.splitlines())
    return edit(
        title,
        "panotti/__main__.py",
        '    app(prog_name="panotti")\n',
        f'{body}    app(prog_name="panotti")\n',
    )


def _at_start(title: str, line: str) -> Variation:
    """A defect of one line once the configuration was read."""
    return edit(
        title,
        "panotti/cli.py",
        "        status = run(settings, secrets)\n",
        f"        {line}\n        status = run(settings, secrets)\n",
    )


_READ = """import os, sys
key = open(os.path.join(os.environ["PANOTTI_SECRETS_DIR"], "api_key")).read()
"""
EXPORTED = _entry(
    "the entry script exports the secret to the server's environment",
    f"""{_READ}if sys.argv[1:] == ["serve"] and "ADMIN" not in os.environ:
    os.execve(sys.executable, [sys.executable, "-m", "panotti", "serve"], {{**os.environ, "ADMIN": key}})""",
)
ARGUMENT = _entry(
    "the secret is in the process's arguments",
    f"""{_READ}if sys.argv[1:] == ["serve"]:
    os.execv(sys.executable, [sys.executable, "-m", "panotti", "serve", "--key", key])
del sys.argv[2:]""",
)
ENCODED_ARGUMENT = _entry(
    "the secret is in the process's arguments, as basic authentication has it",
    f"""{_READ}import base64
if sys.argv[1:] == ["serve"]:
    basic = base64.b64encode(b"admin:" + key.encode()).decode()
    os.execv(sys.executable, [sys.executable, "-m", "panotti", "serve", "--authorization", basic])
del sys.argv[2:]""",
)
VARIABLE_OF_THE_IMAGE = container(
    "a password in the container's environment", environment="SMTP_PASSWORD=correct-horse-battery-staple"
)
PRINTED = _at_start("the secret is printed at start", "print('key:', secrets.api_key, flush=True)")
PRINTED_ENCODED = _at_start(
    "the signing key is printed at start, in Base64",
    "__import__('builtins').print(__import__('base64').b64encode(secrets.token_key).decode(), flush=True)",
)
WRITTEN = _at_start(
    "the secret is kept in the data folder",
    "(settings.data_dir / 'first-login.txt').write_text(f'key={secrets.api_key}')",
)
DUMPED = _at_start(
    "the effective configuration is dumped into the state folder",
    "(settings.counters_dir / 'effective.json').write_text(repr({'session_key': secrets.session_key.hex()}))",
)
DETAIL_SHOWS_KEY = edit(
    "the guarded detail repeats the administrator's key",
    "panotti/routes/health.py",
    '            "worker": {"pid": os.getpid(), "host": HOST},\n',
    '            "worker": {"pid": os.getpid(), "host": HOST},\n'
    '            "key": request.headers.get("x-api-key"),\n',
)
VERSION_SHOWS_KEY = edit(
    "the answer repeats the caller's key",
    "panotti/routes/health.py",
    'return answer({"version": settings.version, ',
    'return answer({"caller": request.headers.get("x-api-key"), "version": settings.version, ',
)
DESCRIBE_SHOWS = edit(
    "describe prints secrets",
    "panotti/describe.py",
    "**dict.fromkeys(NAMES, MASK)}",
    "**{name: getattr(secrets, name) if name == 'api_key' else MASK for name in NAMES}}",
)
DESCRIBE_SHOWS_ENCODED = edit(
    "describe prints a secret in hexadecimal",
    "panotti/describe.py",
    "**dict.fromkeys(NAMES, MASK)}",
    "**dict.fromkeys(NAMES, secrets.session_key.hex())}",
)
KEY_IN_THE_CODE = edit(
    "a key is written in the code",
    "panotti/secrets.py",
    "MINIMUM_LENGTH = 32\n",
    'MINIMUM_LENGTH = 32\nSUPPORT_API_KEY = "pnk_' + 'Zr8qW3nLx0VtB5mYc7JdGf2HsKe9"\n',
)
PEM_IN_THE_CODE = edit(
    "a private key is written in the code",
    "panotti/secrets.py",
    "MINIMUM_LENGTH = 32\n",
    'MINIMUM_LENGTH = 32\nFALLBACK = """-----BEGIN ' + "PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9Zr8qW3nLx0VtB5m\n" + '"""\n',
)
FILE_SECRET_TAKEN = edit(
    "a secret in the settings file is accepted",
    "panotti/configuration.py",
    "        for key in keys\n        if key not in known\n",
    "        for key in keys\n        if key not in known and key not in secrets.NAMES\n",
)
FILE_SECRET_SHOWN = edit(
    "the refusal prints the secret of the settings file",
    "panotti/configuration.py",
    'f"file {name}: key {key!r} is a secret; it belongs',
    'f"file {name}: key {key!r} = {keys[key]!r} is a secret; it belongs',
)


@control(ID, broken_by=(EXPORTED, VARIABLE_OF_THE_IMAGE))
def test_no_secret_in_the_environment(site: Site) -> None:
    """The environment of the server's processes, and of its container, holds no secret."""
    if not site.policy.startup.from_environment:
        not_applicable(f"the policy lets secrets come by the environment in {site.profile}")
    processes = site.processes.all()

    floor(any(process.variables for process in processes), "no environment of the server can be seen")
    listings = b"\0".join(process.environment for process in processes) + _described_by_docker(site)
    shown = named_in(listings, _needles(site))
    assert not shown, f"the environment holds the value of {', '.join(shown)}"
    variables = {name: value for process in processes for name, value in process.variables.items()}
    named = [name for name, value in variables.items() if SECRET_NAME.search(name) and _may_be_secret(value)]
    assert not named, f"variables with the name of a secret have a value: {', '.join(sorted(named))}"


@control(ID, broken_by=(ARGUMENT, ENCODED_ARGUMENT))
def test_no_secret_in_the_arguments(site: Site) -> None:
    """No process of the server shows a secret in its arguments, which everybody on the machine can list."""
    processes = site.processes.all()

    floor(any(process.arguments for process in processes), "no process of the server can be seen")
    shown = named_in(b"\0".join(process.arguments for process in processes), _needles(site))
    assert not shown, f"the arguments hold the value of {', '.join(shown)}"


@control(ID, broken_by=(PRINTED, PRINTED_ENCODED))
def test_no_secret_in_the_log(site: Site) -> None:
    """From its start on the server has printed none of its secrets, in any spelling."""
    reply = site.http.post(
        site.contract.path("recordings.started"),
        key=ApiKey(value=site.deployment.api_key),
        json={"recordingId": "rec-of-the-first-key"},
    )
    floor(reply.ok, f"the deployment's own key was not taken: {reply.status or reply.error}")
    text = site.eventually(lambda: site.deployment.logs())

    floor(text.strip(), "the server has printed nothing")
    shown = named_in(site.logs.text().encode(), _needles(site))
    assert not shown, f"the log holds the value of {', '.join(shown)}"


@control(ID, broken_by=(WRITTEN, DUMPED))
def test_no_secret_in_its_files(site: Site) -> None:
    """No file of data, state or settings holds a secret."""
    site.recording()

    found = site.files.holding(_needles(site), "data", "state", "config")
    told = [f"{file.rpartition('/')[2]} ({', '.join(names)})" for file, names in found.items()]
    assert not told, f"secrets stand in {'; '.join(told)}"


@control(ID, broken_by=(DETAIL_SHOWS_KEY, VERSION_SHOWS_KEY))
def test_no_secret_in_an_answer(site: Site) -> None:
    """No page, not even an administrator's, shows one of the deployment's secrets."""
    routes = [route.partition(" ")[2] for route in site.policy.roles if route.startswith("GET ")]
    first, wanted = ApiKey(value=site.deployment.api_key), _needles(site)
    served = 0

    for path in (path for path in routes if "{" not in path):
        reply = site.http.get(f"{site.contract.http.base_path}{path}", key=first)
        served += reply.ok
        fields = "\n".join(f"{name}: {value}" for name, value in reply.headers.items()).encode()
        shown = named_in(reply.body + fields, wanted)
        assert not shown, f"{path} shows the value of {', '.join(shown)}"
    floor(served, "nothing was served to the deployment's own key")


@control(ID, broken_by=(DESCRIBE_SHOWS, DESCRIBE_SHOWS_ENCODED))
def test_description_masks_secrets(site: Site) -> None:
    """What the server says of its configuration names its secrets and shows none."""
    settings = site.described.settings

    missing = [name for name in site.contract.launch.secrets if name not in settings]
    assert not missing, f"the description does not mention {', '.join(missing)}"
    shown = named_in(site.described.text.encode(), _needles(site))
    assert not shown, f"the description holds the value of {', '.join(shown)}"


@control(
    ID,
    broken_by=(
        secret_files("secrets for everybody on the machine", mode=0o644),
        secret_files("secrets that the server may overwrite", mode=0o600),
    ),
)
def test_secret_files_are_closed_and_read_only(site: Site) -> None:
    """The secret files are open to the server alone, which cannot change them."""
    tree = site.files.tree("secrets")

    floor(tree.modes, "the target has no secret files")
    open_ = [name for name, mode in tree.modes.items() if mode & EVERYBODY]
    assert not open_, f"everybody on the machine may open {', '.join(open_)}"
    changeable = [name for name, mode in tree.modes.items() if mode & WRITE and not tree.read_only]
    assert not changeable, f"the server may change {', '.join(changeable)}"


@control(ID, broken_by=(KEY_IN_THE_CODE, PEM_IN_THE_CODE))
def test_no_secret_in_the_code(site: Site) -> None:
    """The code and the settings that are deployed hold no key, password or token."""
    for name in ("code", "config") if site.contract.launch.settings_prefix else ("code",):
        found = [place.rpartition("/")[2] for place in site.files.matching(name, WRITTEN_DOWN)]
        assert not found, f"something like a secret is written in {name}: {', '.join(found)}"
    held = site.files.holding(_needles(site), "code")
    assert not held, f"this deployment's secrets stand in the code: {len(held)} files"


@control(ID, broken_by=(FILE_SECRET_TAKEN, FILE_SECRET_SHOWN))
def test_secret_in_the_settings_file_is_refused(site: Site) -> None:
    """A secret in the settings file is refused by its name, and not printed."""
    first, value = f'profile = "{site.profile}"\n', "A9-not-" + "the-real-one-" * 3
    path = f"deploy/profiles/{site.profile}.toml"
    mistake = Mistake(
        name="session_key",
        variation=edit("a secret in the settings file", path, first, f'{first}session_key = "{value}"\n'),
    )

    (attempt,) = site.starts.attempts([mistake], timeout_s=site.policy.startup.refused_within_s)

    refused([attempt])
    assert attempt.failure is None or value not in attempt.failure.output, "the refusal prints the secret"


def _needles(site: Site) -> Needles:
    wanted = needles(site.deployment.secrets)
    floor(wanted, "the deployment was given no secret that could be searched for")
    return wanted


def _may_be_secret(value: str) -> bool:
    return len(value) >= LEAST and not value.startswith("/") and not value.replace(".", "").isdigit()


def _described_by_docker(site: Site) -> bytes:
    if site.deployment.runtime != "containers":
        return b""
    return json.dumps(dict(site.deployment.inspect()), default=str).encode()
