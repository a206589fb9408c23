"""Reading the configuration: every offender is found and named before anything starts."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from panotti import secrets
from panotti.errors import ConfigurationError
from panotti.secrets import Secrets
from panotti.settings import CONFIG_FILE, CONTRACT_NAMES, ORIGIN, PREFIX, SECRETS_DIR, Settings

Found = dict[str, tuple[bytes, str]]
DEFAULT = "default"
# Somebody may put it there, and is told not to; a greedy match, because it may hold an @ itself.
URL_PASSWORD = re.compile(r"(://[^:@/]*):.*@")


def load() -> tuple[Settings, Secrets]:
    """The settings and secrets of this process's environment and files.

    Raises ConfigurationError naming every unknown, wrong, weak or missing one.
    """
    settings, problems = _read_settings()
    found, secret_problems = _find_secrets()
    problems += secret_problems
    if settings is None:
        raise ConfigurationError(problems)
    problems += _unsafe(settings)
    chosen, weak = secrets.choose(settings.profile, found, _passwords(settings))
    problems += weak
    if problems or chosen is None:
        raise ConfigurationError(problems)
    return settings, chosen


def load_settings() -> Settings:
    """The settings alone, for what does not serve. Raises ConfigurationError like `load`."""
    settings, problems = _read_settings()
    if problems or settings is None:
        raise ConfigurationError(problems)
    return settings


def load_for_migration() -> tuple[Settings, str]:
    """The settings, and the database's password (empty for SQLite). Raises ConfigurationError like `load`."""
    settings, name = load_settings(), "database_password"
    if name not in _passwords(settings):
        return settings, ""
    found, problems = _find_secrets()
    if name not in found:
        problems.append(secrets.missing_password(name))
    elif reason := secrets.weakness(name, found[name][0]):
        problems.append(f"secret {name} ({found[name][1]}) is too weak: {reason}")
    if problems:
        raise ConfigurationError(problems)
    return settings, found[name][0].decode("ascii")


def sources() -> dict[str, str]:
    """Setting -> where its value comes from: a variable, a key of the settings file, or its default."""
    file_keys, _ = _file_keys()
    return {field: _source(field, file_keys or frozenset()) for field in Settings.model_fields}


def _read_settings() -> tuple[Settings | None, list[str]]:
    problems = _unknown_variables()
    file_keys, file_problems = _file_keys()
    problems += file_problems
    if file_keys is None:
        return None, problems
    settings, value_problems = _settings(file_keys)
    return settings, problems + value_problems


def _passwords(settings: Settings) -> list[str]:
    return [name for name, setting in secrets.PASSWORDS.items() if getattr(settings, setting)]


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def _unknown_variables() -> list[str]:
    known = [f"{PREFIX}{name}".upper() for name in (*Settings.model_fields, *secrets.NAMES)]
    known += [CONFIG_FILE, SECRETS_DIR]
    return [
        f"environment variable {name} is unknown{_nearest(name.upper(), known)}"
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and name not in known
    ]


def _file_keys() -> tuple[frozenset[str] | None, list[str]]:
    """The keys of the settings file, None if it cannot be read, and what is wrong with them."""
    name = os.environ.get(CONFIG_FILE)
    if not name:
        return frozenset(), []
    try:
        keys = tomllib.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        return None, [f"{CONFIG_FILE}: {name} cannot be read: {error.strerror}"]
    except ValueError as error:
        return None, [f"{CONFIG_FILE}: {name} is not valid TOML: {error}"]
    known = list(Settings.model_fields)
    return frozenset(keys), [
        f"file {name}: key {key!r} is a secret; it belongs in a file of its own in {SECRETS_DIR}"
        if key in secrets.NAMES
        else f"file {name}: key {key!r} is unknown{_nearest(key, known)}"
        for key in keys
        if key not in known
    ]


def _settings(file_keys: frozenset[str]) -> tuple[Settings | None, list[str]]:
    try:
        return Settings(), []
    except ValidationError as error:
        return None, [
            f"{_named(str(fault['loc'][0]), file_keys)}: {fault['msg']} (found {fault['input']!r})"
            for fault in map(_without_password, error.errors())
            if fault["type"] != "extra_forbidden"  # named by _file_keys, with the nearest known one
        ]


def _without_password(fault: ErrorDetails) -> ErrorDetails:
    if isinstance(fault["input"], str):
        fault["input"] = URL_PASSWORD.sub(r"\1:[secret]@", fault["input"])
    return fault


def _named(field: str, file_keys: frozenset[str]) -> str:
    source = _source(field, file_keys)
    return f"setting {field}" if source == DEFAULT else source


def _source(field: str, file_keys: frozenset[str]) -> str:
    name = field.upper()
    if f"{PREFIX}{name}" in os.environ:
        return f"environment variable {PREFIX}{name}"
    if name in CONTRACT_NAMES and name in os.environ:
        return f"environment variable {name}"
    if field in file_keys:
        return f"file {os.environ[CONFIG_FILE]}: key {field!r}"
    return DEFAULT


def _secret_variables() -> dict[str, str]:
    """Secret name -> the variable that holds it."""
    names = {name: f"{PREFIX}{name.upper()}" for name in secrets.NAMES}
    present = {name: variable for name, variable in names.items() if variable in os.environ}
    if "API_KEY" in os.environ:
        present.setdefault("api_key", "API_KEY")
    return present


def _find_secrets() -> tuple[Found, list[str]]:
    found: Found = {}
    problems: list[str] = []
    if folder := os.environ.get(SECRETS_DIR):
        found, problems = secrets.read_files(Path(folder))
    for name, variable in _secret_variables().items():
        found[name] = os.environ[variable].encode(), f"environment variable {variable}"
    return found, problems


def _unsafe(settings: Settings) -> list[str]:
    problems = _tls(settings)
    if not settings.profile.guarded:
        return problems
    where = f"the profile {settings.profile}"
    problems += [
        f"{name} must be off in {where}" for name in ("docs", "debug", "reload") if getattr(settings, name)
    ]
    problems += [
        f"secret {name} must come from a file in {where}, not from the environment variable {variable}"
        for name, variable in _secret_variables().items()
    ]
    if not settings.tls:
        problems.append(f"tls_cert_file and tls_key_file are required in {where}")
    if not settings.public_hosts:
        problems.append(f"public_hosts is required in {where}: the host names this server answers to")
    for origin in settings.cors_origins:
        match = ORIGIN.fullmatch(origin)
        if match is None or match["scheme"] != "https":
            problems.append(f"cors_origins: {origin!r} is not an https origin, which {where} requires")
    problems += [
        f"{name}: '*' is not allowed in {where}; list them"
        for name in ("cors_methods", "cors_headers", "cors_expose_headers")
        if "*" in getattr(settings, name)
    ]
    return problems


def _tls(settings: Settings) -> list[str]:
    files = {"tls_cert_file": settings.tls_cert_file, "tls_key_file": settings.tls_key_file}
    if len([path for path in files.values() if path]) == 1:
        return ["tls_cert_file and tls_key_file are needed together"]
    return [
        f"{name}: {path} is not a readable file"
        for name, path in files.items()
        if path and not os.access(path, os.R_OK)
    ]
