"""A configuration is right as a whole, or nothing starts and every offender is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from panotti import configuration
from panotti.errors import ConfigurationError
from panotti.secrets import generate, weakness
from panotti.settings import Profile

GOOD_KEY = "pnk_Zr8qW3nLx0VtB5mYc7JdGf2HsKe9RuTa1PiQoXw4"


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PANOTTI_API_KEY", GOOD_KEY)
    return monkeypatch


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A complete secrets folder, in use."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "api_key").write_text(f"{GOOD_KEY}\n")
    (secrets / "token_key").write_bytes(generate("token_key"))
    (secrets / "session_key").write_bytes(generate("session_key"))
    monkeypatch.setenv("PANOTTI_SECRETS_DIR", str(secrets))
    return secrets


@pytest.fixture
def production(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A production environment that would start."""
    del folder
    for name in ("cert", "key"):
        path = tmp_path / f"tls.{name}"
        path.write_text("checked when it is loaded")
        monkeypatch.setenv(f"PANOTTI_TLS_{name.upper()}_FILE", str(path))
    monkeypatch.setenv("PANOTTI_PROFILE", "production")
    monkeypatch.setenv("PANOTTI_PUBLIC_HOSTS", "panotti.example")
    return monkeypatch


def config(tmp_path: Path, env: pytest.MonkeyPatch, text: str) -> Path:
    file = tmp_path / "panotti.toml"
    file.write_text(text)
    env.setenv("PANOTTI_CONFIG_FILE", str(file))
    return file


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        configuration.load()
    return str(caught.value)


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(
    tmp_path: Path, env: pytest.MonkeyPatch
) -> None:
    config(tmp_path, env, 'workers = 3\nbacklog = 7\ncors_origins = ["https://a.example"]\n')
    env.setenv("PANOTTI_WORKERS", "4")

    settings, _ = configuration.load()

    assert (settings.workers, settings.backlog, settings.max_concurrency) == (4, 7, 128)
    assert settings.cors_origins == ("https://a.example",)


def test_the_environment_goes_before_the_secret_file(folder: Path, env: pytest.MonkeyPatch) -> None:
    other = generate("api_key")
    (folder / "api_key").write_bytes(other)

    assert configuration.load()[1].api_key == GOOD_KEY
    env.delenv("PANOTTI_API_KEY")
    assert configuration.load()[1].api_key == other.decode()


def test_the_contracts_names_are_known_without_a_prefix(env: pytest.MonkeyPatch) -> None:
    env.delenv("PANOTTI_API_KEY")
    names = {"API_KEY": GOOD_KEY, "LOG_LEVEL": "DEBUG", "API_HOST": "0.0.0.0", "API_PORT": "9000"}
    for name, value in names.items():
        env.setenv(name, value)

    settings, secrets = configuration.load()

    assert (settings.log_level, settings.api_host, settings.api_port) == ("debug", "0.0.0.0", 9000)
    assert secrets.api_key == GOOD_KEY
    env.setenv("PANOTTI_API_PORT", "9001")
    assert configuration.load()[0].api_port == 9001


def test_lists_are_separated_by_commas(env: pytest.MonkeyPatch) -> None:
    env.setenv("PANOTTI_IP_DENY", "10.0.0.0/8, 2001:db8::1")
    env.setenv("PANOTTI_CORS_METHODS", "")

    settings, _ = configuration.load()

    assert settings.ip_deny == ("10.0.0.0/8", "2001:db8::1/128")
    assert settings.cors_methods == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKERS", "many"),
        ("WORKERS", "0"),
        ("API_PORT", "70000"),
        ("PROFILE", "prod"),
        ("DOCS", ""),
        ("CORS_ORIGINS", "https://a.example/"),
        ("CORS_ORIGINS", "https://*.a.example"),
        ("IP_DENY", "10.0.0.1/8"),
        ("PUBLIC_HOSTS", "https://a.example"),
        ("CORS_METHODS", "get"),
        ("CORS_HEADERS", "X Key"),
        ("LOG_LEVEL", "loud"),
        ("RATE_KEY_WINDOW", "nan"),
        ("SESSION_IDLE_TTL", "nan"),
        ("BODY_TIMEOUT", "-1"),
        ("REVISION", "a b"),
    ],
)
def test_a_wrong_value_names_the_variable_it_came_by(env: pytest.MonkeyPatch, name: str, value: str) -> None:
    env.setenv(f"PANOTTI_{name}", value)

    assert f"environment variable PANOTTI_{name}:" in refusal()


def test_a_wrong_value_of_a_contract_name_is_named_so(env: pytest.MonkeyPatch) -> None:
    env.setenv("API_PORT", "http")

    assert "environment variable API_PORT:" in refusal()


def test_a_wrong_value_in_the_file_names_the_file(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    file = config(tmp_path, env, 'workers = "many"\n')

    assert f"file {file}: key 'workers'" in refusal()


def test_every_offender_is_named_at_once(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("PANOTTI_WORKRES", "2")
    env.setenv("PANOTTI_BACKLOG", "x")

    text = refusal()

    assert "PANOTTI_WORKRES is unknown; did you mean PANOTTI_WORKERS?" in text
    assert "PANOTTI_BACKLOG" in text


def test_an_unknown_key_of_the_file_is_named_with_the_nearest(
    tmp_path: Path, env: pytest.MonkeyPatch
) -> None:
    file = config(tmp_path, env, "cors_origin = []\n[tls]\nx = 1\n")

    text = refusal()

    assert f"file {file}: key 'cors_origin' is unknown; did you mean cors_origins?" in text
    assert "key 'tls' is unknown" in text


def test_a_secret_does_not_belong_into_the_file(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    config(tmp_path, env, f'api_key = "{GOOD_KEY}"\n')

    text = refusal()

    assert "key 'api_key' is a secret" in text
    assert GOOD_KEY not in text


@pytest.mark.parametrize("text", ["workers = ", "\xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, env: pytest.MonkeyPatch, text: str) -> None:
    file = config(tmp_path, env, "")
    file.write_bytes(text.encode("latin-1"))

    assert f"{file} is not valid TOML" in refusal()


def test_a_missing_file_is_named(tmp_path: Path, env: pytest.MonkeyPatch) -> None:
    env.setenv("PANOTTI_CONFIG_FILE", str(tmp_path / "none.toml"))

    assert "none.toml cannot be read" in refusal()


def test_an_unknown_secret_file_is_named_and_a_hidden_one_is_not(folder: Path) -> None:
    (folder / "api-key").write_text("x")
    (folder / "..data").mkdir()

    text = refusal()

    assert "api-key is unknown" in text
    assert "..data" not in text


def test_a_secret_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "api_key").unlink()
    (folder / "api_key").mkdir()

    assert "api_key cannot be read" in refusal()


def test_a_missing_secrets_folder_is_named(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env.setenv("PANOTTI_SECRETS_DIR", str(tmp_path / "none"))

    assert "none cannot be read" in refusal()


def test_development_makes_up_what_is_missing() -> None:
    _, secrets = configuration.load()

    assert secrets.generated == ("api_key", "token_key", "session_key")
    assert weakness("api_key", secrets.api_key.encode()) is None


def test_testing_needs_its_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOTTI_PROFILE", "testing")

    assert "secret api_key is missing" in refusal()


def test_secrets_do_not_show_in_their_representation() -> None:
    _, secrets = configuration.load()

    assert secrets.api_key not in repr(secrets)


def test_a_whole_production_environment_is_taken(production: pytest.MonkeyPatch) -> None:
    del production
    settings, secrets = configuration.load()

    assert settings.profile is Profile.PRODUCTION
    assert settings.tls
    assert secrets.generated == ()


@pytest.mark.parametrize("profile", ["production", "staging"])
@pytest.mark.parametrize("name", ["api_key", "token_key", "session_key"])
def test_production_names_the_secret_that_is_missing(
    production: pytest.MonkeyPatch, folder: Path, name: str, profile: str
) -> None:
    production.setenv("PANOTTI_PROFILE", profile)
    (folder / name).unlink()

    assert f"secret {name} is missing" in refusal()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "it is empty"),
        ("xq7", "shorter than 32"),
        ("changeme-changeme-changeme-changeme", "known default"),
        ("your-secret-api-key-here-0123456789abcdef", "known default"),
        ("a" * 64, "repetitive"),
        ("0123456789abcdef" * 3, "repetitive"),
        ("abcabcabdabcabcabdabcabcabcabcabc", "repetitive"),
        ("Zr8qW3nLx0VtB5mYc7JdGf2HsKe9 uTa1PiQoXw4", "visible ASCII"),
    ],
)
@pytest.mark.parametrize("name", ["api_key", "session_key"])
def test_a_weak_secret_is_named_with_the_reason_and_not_shown(
    production: pytest.MonkeyPatch, folder: Path, name: str, value: str, reason: str
) -> None:
    del production
    (folder / name).write_text(value)

    text = refusal()

    assert f"secret {name}" in text
    assert reason in text
    assert not value or value not in text


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)],
    ids=["P-384", "RSA"],
)
def test_another_kind_of_signing_key_is_refused(
    folder: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "token_key").write_bytes(pem)

    assert "P-256" in refusal()


def test_a_signing_key_must_be_a_key(folder: Path) -> None:
    (folder / "token_key").write_text(GOOD_KEY)

    assert "not an unencrypted private key" in refusal()


@pytest.mark.parametrize(
    "variable", ["API_KEY", "PANOTTI_API_KEY", "PANOTTI_TOKEN_KEY", "PANOTTI_SESSION_KEY"]
)
def test_production_takes_no_secret_from_the_environment(
    production: pytest.MonkeyPatch, variable: str
) -> None:
    production.setenv(variable, GOOD_KEY)

    text = refusal()

    assert f"not from the environment variable {variable}" in text
    assert GOOD_KEY not in text


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DOCS", "true", "docs must be off"),
        ("DEBUG", "1", "debug must be off"),
        ("RELOAD", "on", "reload must be off"),
        ("PUBLIC_HOSTS", "", "public_hosts is required"),
        ("CORS_ORIGINS", "*", "'*' is not an https origin"),
        ("CORS_ORIGINS", "http://a.example", "'http://a.example' is not an https origin"),
        ("CORS_HEADERS", "*", "cors_headers: '*' is not allowed"),
        ("TLS_KEY_FILE", "/none", "tls_key_file: /none is not a readable file"),
    ],
)
def test_production_refuses_what_is_only_convenient(
    production: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    production.setenv(f"PANOTTI_{name}", value)

    assert expected in refusal()


def test_production_needs_tls(production: pytest.MonkeyPatch) -> None:
    production.delenv("PANOTTI_TLS_KEY_FILE")
    assert "needed together" in refusal()

    production.delenv("PANOTTI_TLS_CERT_FILE")
    assert "tls_cert_file and tls_key_file are required" in refusal()


def test_settings_alone_need_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOTTI_PROFILE", "testing")
    assert configuration.load_settings().profile is Profile.TESTING

    monkeypatch.setenv("PANOTTI_WORKERS", "x")
    with pytest.raises(ConfigurationError):
        configuration.load_settings()


def test_an_unknown_key_and_a_wrong_value_of_the_file_are_named_together(
    tmp_path: Path, env: pytest.MonkeyPatch
) -> None:
    config(tmp_path, env, "workerz = 3\nbacklog = 0\n")

    text = refusal()

    assert "key 'workerz' is unknown" in text
    assert "key 'backlog': Input should be greater than or equal to 1" in text
    assert text.count("workerz") == 1


def test_every_setting_and_secret_tells_its_source(
    tmp_path: Path, folder: Path, env: pytest.MonkeyPatch
) -> None:
    file = config(tmp_path, env, "workers = 3\nbacklog = 7\n")
    env.setenv("PANOTTI_WORKERS", "4")

    found, secrets = configuration.sources(), configuration.load()[1].sources

    assert found["workers"] == "environment variable PANOTTI_WORKERS"
    assert found["backlog"] == f"file {file}: key 'backlog'"
    assert found["max_concurrency"] == "default"
    assert secrets["api_key"] == "environment variable PANOTTI_API_KEY"
    assert secrets["session_key"] == f"file {folder / 'session_key'}"
