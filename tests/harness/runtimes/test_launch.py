"""The plan of a deployment: settings, secrets and certificate, as profile and variation have them."""

from __future__ import annotations

import errno
import stat
import tomllib
from pathlib import Path

import pytest

from harness.defects import CLEAN, Variation, certificate, edit, secret, secret_files, setting
from harness.errors import ContractError, RuntimeUnavailable
from harness.runtimes import CannotShow, Specification
from harness.runtimes.files import Folders, room_on_disk, write_certificate, write_files
from harness.runtimes.launch import Plan, plan, resolve, without_key
from harness.runtimes.pki import Authority
from harness.target import Image, Source, Target, parse_target

REFERENCE = parse_target("reference")
AUTHORITY = Authority()


def _plan(target: Target = REFERENCE, variation: Variation = CLEAN, profile: str = "production") -> Plan:
    return plan(target, Specification(profile=profile, variation=variation), AUTHORITY)


@pytest.mark.parametrize(
    ("profile", "tls"),
    [("development", False), ("testing", False), ("staging", True), ("production", True)],
)
def test_the_contract_says_which_profiles_have_tls(profile: str, tls: bool) -> None:
    planned = _plan(profile=profile)

    assert planned.scheme == ("https" if tls else "http")
    assert (planned.leaf is not None) is planned.redirects is tls
    assert ("PANOTTI_TLS_CERT_FILE" in planned.environment) is tls


def test_every_deployment_gets_secrets_of_its_own() -> None:
    one, other = _plan(), _plan()

    assert set(one.secrets) == {"api_key", "token_key", "session_key"}
    assert len(one.api_key) >= 32
    assert all(one.secrets[name] != other.secrets[name] for name in one.secrets)
    assert one.secret_files["token_key"].startswith("-----BEGIN PRIVATE KEY-----")


def test_a_setting_goes_into_the_environment_under_its_full_name() -> None:
    planned = _plan(variation=setting(CORS_ORIGINS="*", PANOTTI_DOCS="true"))

    assert planned.environment["PANOTTI_CORS_ORIGINS"] == "*"
    assert planned.environment["PANOTTI_DOCS"] == "true"


def test_a_setting_that_is_removed_is_gone_from_environment_and_file() -> None:
    planned = _plan(variation=setting(TLS_CERT_FILE=None, PUBLIC_HOSTS=None))

    assert "PANOTTI_TLS_CERT_FILE" not in planned.environment
    assert planned.settings is not None
    assert "public_hosts" not in tomllib.loads(planned.settings)
    assert planned.leaf is None


def test_secrets_are_replaced_and_removed() -> None:
    planned = _plan(variation=secret("api_key", None) + secret("session_key", "short"))

    assert "api_key" not in planned.secret_files
    assert planned.api_key == ""
    assert planned.secret_files["session_key"] == "short"


def test_a_faulty_certificate_is_planted() -> None:
    assert _plan(variation=certificate("expired")).leaf is not None

    with pytest.raises(CannotShow, match="no TLS"):
        _plan(variation=certificate("expired"), profile="testing")


def test_an_edit_of_a_profile_becomes_its_settings() -> None:
    planned = _plan(
        variation=edit("x", "deploy/profiles/production.toml", '"production"', '"production" # edited')
    )

    assert planned.settings is not None
    assert "# edited" in planned.settings


def test_a_target_of_ones_own_has_no_settings_file_and_takes_no_edit(small: Source) -> None:
    assert _plan(small).settings is None

    with pytest.raises(CannotShow, match="reference only"):
        _plan(small, edit("x", "panotti/app.py", "a", "b"))


def test_a_key_by_the_environment_is_made_and_put_there(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('name = "x"', encoding="utf-8")
    target = parse_target("image:x", tmp_path / "c.toml")
    assert isinstance(target, Image)

    planned = _plan(target)

    assert planned.environment["API_KEY"] == planned.api_key
    assert planned.secret_files == {}


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(ContractError, match=r"nightly\.toml"):
        _plan(profile="nightly")


def test_a_placeholder_that_nobody_knows_is_named() -> None:
    assert resolve({"A": "${x}/$x"}, {"x": "1"}) == {"A": "1/1"}

    for text in ("${y}", "$"):
        with pytest.raises(ContractError, match=r"launch\.env\.A.*placeholder"):
            resolve({"A": text}, {"x": "1"})


def test_a_key_is_taken_out_of_a_settings_file() -> None:
    text = 'a = 1\nb = ["x", "y"]\nc = "é\\n"\nd = 1.5\ne = true\n'

    assert tomllib.loads(without_key(text, "a")) == {"b": ["x", "y"], "c": "é\n", "d": 1.5, "e": True}
    assert without_key(text, "z") == text


def test_secret_files_can_be_planted_open_to_everybody(tmp_path: Path) -> None:
    folders = Folders(root=tmp_path)

    write_files(_plan(variation=secret_files("open", mode=0o444)), folders)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in folders.secrets.iterdir()}
    assert modes == {0o444}
    assert stat.S_IMODE(folders.secrets.stat().st_mode) == 0o755
    assert stat.S_IMODE((folders.tls / "key.pem").stat().st_mode) == 0o400


def test_secret_files_are_closed_to_others(tmp_path: Path) -> None:
    folders = Folders(root=tmp_path)

    write_files(_plan(), folders)

    assert {path.name for path in folders.secrets.iterdir()} == {"api_key", "token_key", "session_key"}
    for path in (*folders.secrets.iterdir(), *folders.tls.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
    write_certificate(AUTHORITY.issue(), folders.tls, like=folders.tls)
    assert {path.name for path in folders.tls.iterdir()} == {"cert.pem", "key.pem"}


def test_a_full_disk_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RuntimeUnavailable, match="disk is full"), room_on_disk(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError), room_on_disk(tmp_path):
        raise PermissionError(errno.EACCES, "no")
