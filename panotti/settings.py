"""The settings: what they are called, where they come from, and what is refused.

Precedence: environment (PANOTTI_<NAME>) > secret files > the TOML file PANOTTI_CONFIG_FILE names > defaults.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from panotti import __version__

PREFIX = "PANOTTI_"
CONFIG_FILE = "PANOTTI_CONFIG_FILE"
SECRETS_DIR = "PANOTTI_SECRETS_DIR"
# Whatever comes first here wins; a secret never stands in the settings file.
PRECEDENCE = ("environment", "secret files", "settings file", "defaults")
# The public contract's own names (CONTRACT.md, "Settings by environment"); API_KEY is a secret.
CONTRACT_NAMES = ("LOG_LEVEL", "API_HOST", "API_PORT")

ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
METHOD = re.compile(r"[A-Z]+")
HEADER = re.compile(r"[A-Za-z0-9-]+")


class Profile(StrEnum):
    """The environment the server runs in."""

    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"

    @property
    def guarded(self) -> bool:
        """Staging and production refuse whatever is convenient but unsafe."""
        return self in (Profile.STAGING, Profile.PRODUCTION)


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _each(check: Callable[[str], str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def apply(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check(value) for value in values)

    return apply


def _matching(pattern: re.Pattern[str], what: str, *also: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value in also or pattern.fullmatch(value):
            return value
        raise ValueError(f"{value!r} is not {what}")

    return check


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an address or a CIDR range: {error}") from None


def _address(scheme: str, form: str, *, path: str) -> Callable[[str], str]:
    """A check of an address of a server: `path` matches what must follow its host and port."""

    def check(value: str) -> str:
        parts = urlsplit(value)
        try:
            port = parts.port
        except ValueError:
            port = 0
        if parts.password is not None:
            raise ValueError(f"it must not hold the password, which is a secret file of its own; {form}")
        whole = parts.scheme == scheme and parts.hostname and port != 0
        if not whole or parts.query or parts.fragment or not re.fullmatch(path, parts.path):
            raise ValueError(f"it is not of the form {form}")
        return value

    return check


def _named_user(value: str) -> str:
    if not urlsplit(value).username:
        raise ValueError("it does not name a user")
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[Words, AfterValidator(_each(_matching(ORIGIN, "an origin (scheme://host[:port])", "*")))]
Hosts = Annotated[Words, AfterValidator(_each(_matching(HOST, "a host name in lower case")))]
Methods = Annotated[Words, AfterValidator(_each(_matching(METHOD, "an HTTP method", "*")))]
Headers = Annotated[Words, AfterValidator(_each(_matching(HEADER, "a header name", "*")))]
Networks = Annotated[Words, AfterValidator(_each(_network))]
DatabaseUrl = Annotated[
    str,
    AfterValidator(_address("postgresql", "postgresql://USER@HOST:PORT/DATABASE", path=r"/[A-Za-z0-9_-]+")),
    AfterValidator(_named_user),
]
RedisUrl = Annotated[str, AfterValidator(_address("redis", "redis://HOST:PORT/NUMBER", path=r"(/\d{1,3})?"))]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86400 * 366)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class _Environment(EnvSettingsSource):
    """PANOTTI_<NAME>, and the contract's names without the prefix; the prefixed one wins."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        bare = {f"{PREFIX}{name}".lower(): os.environ[name] for name in CONTRACT_NAMES if name in os.environ}
        return {**bare, **super()._load_env_vars()}


class Settings(BaseSettings):
    """Every setting with its default. Times are seconds, sizes are bytes."""

    model_config = SettingsConfigDict(
        env_prefix="PANOTTI_", extra="forbid", frozen=True, validate_default=True
    )

    profile: Profile = Profile.DEVELOPMENT
    api_host: str = Field(default="127.0.0.1", min_length=1)
    api_port: Port = 8000
    redirect_port: Port = 0
    public_hosts: Hosts = ()
    workers: Annotated[int, Field(ge=1, le=64)] = 2
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    data_dir: Path = Path("data")
    state_dir: Path | None = None
    database_url: DatabaseUrl | None = None
    database_pool_size: Annotated[int, Field(ge=1, le=256)] = 8
    redis_url: RedisUrl | None = None
    redis_pool_size: Annotated[int, Field(ge=1, le=1024)] = 32
    log_level: LogLevel = "info"
    docs: bool = False
    debug: bool = False
    reload: bool = False
    # The release's name, where it is put into service under another one than its code has.
    version: str = Field(default=__version__, pattern=r"^[A-Za-z0-9._+-]{1,80}$")
    revision: str = Field(default="unknown", pattern=r"^[A-Za-z0-9._+-]{1,80}$")

    cors_origins: Origins = ()
    cors_methods: Methods = ("GET", "POST")
    cors_headers: Headers = ("Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-CSRF-Token")
    cors_expose_headers: Headers = ("RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID")
    cors_max_age: Annotated[int, Field(ge=0, le=86400)] = 600
    cors_credentials: bool = False

    trusted_proxies: Networks = ()
    ip_allow: Networks = ()
    ip_deny: Networks = ()

    rate_key_quota: Count = 600
    rate_key_window: Annotated[int, Field(ge=1, le=86_400)] = 60
    rate_address_quota: Count = 1200
    rate_address_window: Annotated[int, Field(ge=1, le=86_400)] = 60

    max_body_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 262_144
    max_header_bytes: Annotated[int, Field(ge=256, le=1 << 20)] = 16_384
    header_timeout: Seconds = 10
    body_timeout: Seconds = 10
    keepalive_timeout: Seconds = 15
    shutdown_grace: Seconds = 10
    max_concurrency: Count = 128
    thread_pool_size: Annotated[int, Field(ge=1, le=256)] = 8
    backlog: Annotated[int, Field(ge=1, le=65535)] = 512

    token_issuer: str = Field(default="https://panotti.invalid", min_length=1, max_length=255)
    token_audience: str = Field(default="panotti-api", min_length=1, max_length=255)
    access_token_ttl: Seconds = 300
    refresh_token_ttl: Seconds = 86_400
    session_idle_ttl: Seconds = 900
    session_absolute_ttl: Seconds = 28_800
    slow_request_ms: Annotated[float, Field(gt=0)] = 500
    dependency_timeout: Seconds = 2
    dependency_interval: Seconds = 1
    startup_timeout: Seconds = 30

    @property
    def database_file(self) -> Path:
        return self.data_dir / "panotti.db"

    @property
    def counters_dir(self) -> Path:
        return self.state_dir or self.data_dir / "state"

    @property
    def tls(self) -> bool:
        return self.tls_cert_file is not None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del env_settings, dotenv_settings, file_secret_settings
        file = os.environ.get(CONFIG_FILE)
        toml = (TomlConfigSettingsSource(settings_cls, Path(file)),) if file else ()
        return init_settings, _Environment(settings_cls), *toml
