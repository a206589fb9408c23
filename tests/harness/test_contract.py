"""The contract file: closed keys, absent capabilities, the reference's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import places
from harness.contract import Contract, read_contract
from harness.errors import ContractError
from harness.outcome import Absent


def _read(tmp_path: Path, text: str) -> Contract:
    path = tmp_path / "contract.toml"
    path.write_text(text, encoding="utf-8")
    return read_contract(path)


def test_the_reference_has_every_capability() -> None:
    contract = read_contract(places.CONTRACT)

    assert contract.present == {
        "health",
        "recordings",
        "tokens",
        "sessions",
        "administration",
        "description",
        "describe",
        "version",
        "logs",
        "docs",
    }
    assert contract.capability("tokens").issue == "/auth/token"
    assert contract.launch.secrets[contract.launch.api_key.secret] == "random"


def test_an_absent_capability_fails_and_names_itself(tmp_path: Path) -> None:
    contract = _read(tmp_path, 'name = "bare"')

    with pytest.raises(Absent, match="no capability 'tokens'"):
        contract.capability("tokens")


@pytest.mark.parametrize("dotted", ["health.live", "version.path"])
def test_an_absent_path_fails_and_names_itself(tmp_path: Path, dotted: str) -> None:
    contract = _read(tmp_path, 'name = "bare"\n[capabilities.health]\nsimple = "/ok"')

    with pytest.raises(Absent, match=dotted):
        contract.path(dotted)


def test_paths_stand_below_the_base_path(tmp_path: Path) -> None:
    contract = _read(tmp_path, 'name = "x"\n[http]\nbase_path = "/v1"\n[capabilities.health]\nsimple = "/ok"')

    assert contract.path("health.simple") == "/v1/ok"
    assert contract.filled("/things/{thing_id}/parts/{part}") == "/v1/things/none/parts/none"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('name = "x"\n[capabilities.helth]\nsimple = "/"', 'did you mean "health"'),
        ('name = "x"\n[launch]\nprot = 1', 'did you mean "port"'),
        ('name = "x"\n[http]\nbase_path = "v1/"', "base_path"),
        ('name = "x"\n[http]\nplain_url = "https://x"', "plain_url begins with"),
        ('name = "x"\n[launch]\napi_key = { env = "A", secret = "b" }', "either env"),
        ('name = "x"\n[launch]\napi_key = { secret = "b" }', "secrets does not list"),
        ("[launch]", "name: missing"),
    ],
)
def test_a_wrong_key_is_named_with_the_nearest_one(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ContractError, match=r"contract\.toml") as refusal:
        _read(tmp_path, text)

    assert named in str(refusal.value)
