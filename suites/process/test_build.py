"""Every configuration file and variable is validated before anything starts."""

from __future__ import annotations

from secrets import token_urlsafe

import pytest

from harness import control, defect, edit, floor, not_applicable, secret, setting
from harness.defects import Variation
from harness.probes.starts import Mistake, refused
from harness.site import Site
from suites.refusals import MISSING_IS_MADE_UP, MISSING_IS_NOT_NAMED

ID = "process.build.configuration"
NOWHERE = "/proc/nowhere"  # no folder can be made there
ELSEWHERE = "192.0.2.1"  # RFC 5737: no machine has this address, so that nothing can listen on it

TYPO_IGNORED = edit(
    "a typo in a variable is silently ignored",
    "panotti/configuration.py",
    "if name.upper().startswith(PREFIX) and name not in known",
    "if name.upper().startswith(PREFIX) and not name.isupper()",
)
FILE_TYPO_IGNORED = defect(
    'a typo in the settings file is silently ignored (extra="ignore")',
    edit("", "panotti/settings.py", 'extra="forbid"', 'extra="ignore"'),
    edit(
        "", "panotti/configuration.py", "        if key not in known\n", "        if key in secrets.NAMES\n"
    ),
)
SECRET_TYPO_IGNORED = edit(
    "a secret file of an unknown name is ignored",
    "panotti/secrets.py",
    "        if path.name not in NAMES:\n            problems.append(",
    "        if path.name not in NAMES:\n            [].append(",
)
LEVEL_FALLS_BACK = edit(
    "a bad log level falls back to the default",
    "panotti/settings.py",
    "    return value.lower() if isinstance(value, str) else value\n",
    '    levels = ("debug", "info", "warning", "error")\n'
    '    return value.lower() if str(value).lower() in levels else "info"\n',
)
NUMBER_IS_CLAMPED = edit(
    "a number out of range in the settings file is replaced",
    "panotti/settings.py",
    "backlog: Annotated[int, Field(ge=1, le=65535)]",
    "backlog: Annotated[int, BeforeValidator(lambda value: value or 512)]",
)
FAULT_WITHOUT_NAME = edit(
    "the refusal says what is wrong, and not where",
    "panotti/configuration.py",
    "            f\"{_named(str(fault['loc'][0]), file_keys)}: {fault['msg']} (found {fault['input']!r})\"\n",
    "            f\"{fault['msg']} (found {fault['input']!r})\"\n",
)
MISSING_FILE_IGNORED = edit(
    "a settings file that is not there is ignored",
    "panotti/configuration.py",
    "    if not name:\n        return frozenset(), []",
    "    if not name or not Path(name).exists():\n        return frozenset(), []",
)
BROKEN_FILE_UNNAMED = edit(
    "a settings file that is not TOML is not named",
    "panotti/configuration.py",
    'f"{CONFIG_FILE}: {name} is not valid TOML: {error}"',
    'f"{error}"',
)
MIGRATES_FIRST = edit(
    "the database is migrated before the configuration is read",
    "panotti/cli.py",
    "        settings, secrets = configuration.load()\n",
    "        import os, pathlib\n"
    "        from panotti.storage.migrate import migrate as first\n"
    "        from panotti.storage.sqlite import SQLiteStore\n\n"
    '        file = pathlib.Path(os.environ.get("PANOTTI_DATA_DIR", "data")) / "panotti.db"\n'
    "        first(SQLiteStore(file, timeout=1))\n"
    "        settings, secrets = configuration.load()\n",
)
LISTENS_FIRST = edit(
    "it listens before the configuration is read",
    "panotti/cli.py",
    "        settings, secrets = configuration.load()\n",
    "        import os, socket\n\n"
    '        socket.create_server((os.environ.get("PANOTTI_API_HOST", "127.0.0.1"), 0)).close()\n'
    "        settings, secrets = configuration.load()\n",
)


@pytest.fixture
def started(site: Site) -> None:
    """The floor of every refusal: with a right configuration the same target starts and serves."""
    reply = site.http.get(site.contract.path("health.simple"))
    floor(reply.status == 200, f"the health check answered {reply.status or reply.error}, not 200")


@control(ID, broken_by=(TYPO_IGNORED, FILE_TYPO_IGNORED, SECRET_TYPO_IGNORED))
def test_unknown_name_is_refused(site: Site, started: None) -> None:
    """An unknown variable, key of the settings file or secret file is refused, and named."""
    floor(site.contract.launch.secrets, "the target takes no secret files")
    mistakes = [
        _unknown_variable(site),
        Mistake(name="rate_key_qouta", variation=_line(site, "rate_key_qouta = 100")),
        Mistake(name="api_kye", variation=site.starts.file("api_kye", "a name that nothing reads")),
    ]

    refused(site.starts.attempts(mistakes, timeout_s=site.policy.startup.refused_within_s))


@control(ID, broken_by=(LEVEL_FALLS_BACK, FAULT_WITHOUT_NAME))
def test_wrong_value_of_a_variable_is_refused_by_name(site: Site, started: None) -> None:
    """A variable of the wrong type, out of range or not of the choice is refused, and named."""
    prefix = site.contract.launch.settings_prefix
    wrong = {"API_PORT": ("eighty", "70000"), "LOG_LEVEL": ("loud", "")}
    mistakes = [
        Mistake(name=f"{prefix}{name}", variation=setting(**{name: value}))
        for name, values in wrong.items()
        for value in values
    ]

    refused(site.starts.attempts(mistakes, timeout_s=site.policy.startup.refused_within_s))


@control(ID, broken_by=(NUMBER_IS_CLAMPED, FAULT_WITHOUT_NAME))
def test_wrong_value_in_the_settings_file_is_refused_by_name(site: Site, started: None) -> None:
    """A key of the settings file of the wrong type or out of range is refused, and named."""
    lines = {"backlog": "0", "keepalive_timeout": '"soon"', "ip_allow": '["everybody"]', "debug": '"perhaps"'}
    mistakes = [
        Mistake(name=name, variation=_line(site, f"{name} = {value}")) for name, value in lines.items()
    ]

    refused(site.starts.attempts(mistakes, timeout_s=site.policy.startup.refused_within_s))


@control(ID, broken_by=(MISSING_FILE_IGNORED, BROKEN_FILE_UNNAMED))
def test_unreadable_settings_file_is_refused_by_name(site: Site, started: None) -> None:
    """A settings file that is not there, or is not what it should be, is refused, and named."""
    variables = _variables(site, "config")
    floor(variables, "the contract names no variable for the settings file")
    name = site.deployment.path("config").rpartition("/")[2]
    mistakes = [
        Mistake(name=f"{NOWHERE}/{name}", variation=setting(**dict.fromkeys(variables, f"{NOWHERE}/{name}"))),
        Mistake(name=name, variation=_line(site, "header_timeout = = 5")),
    ]

    within_s = site.policy.startup.refused_within_s
    # One file cannot be missing and broken at once: each has a start of its own.
    tried = site.together(*(lambda m=m: site.starts.attempts([m], timeout_s=within_s) for m in mistakes))
    refused([attempt for (attempt,) in tried])


@control(ID, broken_by=(MISSING_IS_MADE_UP, MISSING_IS_NOT_NAMED))
def test_missing_secret_is_refused_by_name(site: Site, started: None) -> None:
    """Every secret that the policy demands is missed, and named."""
    startup = site.policy.startup
    if not startup.missing:
        not_applicable(f"the policy lets the profile {site.profile} start without secrets")
    mistakes = [Mistake(name=name, variation=site.starts.secret(name, None)) for name in startup.missing]

    refused(site.starts.attempts(mistakes, timeout_s=startup.refused_within_s))


@control(ID, broken_by=(MIGRATES_FIRST, LISTENS_FIRST))
def test_refusal_comes_before_anything_else(site: Site, started: None) -> None:
    """Nothing is migrated and nothing listens before the configuration was found right."""
    within_s, typo = site.policy.startup.refused_within_s, _unknown_variable(site)
    host = _variables(site, "host")
    floor(host, "the contract names no variable for the address")
    hurdles = [
        _no_database(site),
        Mistake(name=ELSEWHERE, variation=setting(title="no address", **dict.fromkeys(host, ELSEWHERE))),
    ]
    blocked = hurdles[0].variation + hurdles[1].variation + typo.variation
    mistakes = [Mistake(name=typo.name, variation=blocked), *hurdles]
    tried = site.together(*(lambda m=m: site.starts.attempts([m], timeout_s=within_s) for m in mistakes))
    (attempt,) = tried[0]
    for (alone,) in tried[1:]:  # else the order could not be seen
        floor(not alone.verdict, f"the hurdle behind the check does not show: {alone.verdict}")

    refused([attempt])
    output = attempt.failure.output if attempt.failure else ""
    reached = [hurdle.name for hurdle in hurdles if hurdle.named_in(output)]
    assert not reached, f"before the refusal it got as far as: {', '.join(reached)}"


def _no_database(site: Site) -> Mistake:
    """What keeps the server from its database: a folder that cannot be, or a password that is not right."""
    if site.deployment.stores() and (topology := site.contract.launch.topology):
        name = next(iter(topology.secrets))
        return Mistake(name=name, variation=secret(name, token_urlsafe(48), title="no database"))
    data = _variables(site, "data")
    floor(data, "the contract names no variable for the data folder")
    return Mistake(name=NOWHERE, variation=setting(title="no data folder", **dict.fromkeys(data, NOWHERE)))


def _unknown_variable(site: Site) -> Mistake:
    prefix = site.contract.launch.settings_prefix
    floor(prefix, "the target's variables have no prefix: a mistyped one cannot be told from another's")
    return Mistake(name=f"{prefix}LOG_LEVL", variation=setting(LOG_LEVL="info"))


def _line(site: Site, line: str) -> Variation:
    """One line more in the profile's settings file."""
    first = f'profile = "{site.profile}"\n'
    path = f"deploy/profiles/{site.profile}.toml"
    return edit(f"settings file with: {line}", path, first, f"{first}{line}\n")


def _variables(site: Site, placeholder: str) -> list[str]:
    return [name for name, value in site.contract.launch.env.items() if f"${{{placeholder}}}" in value]
