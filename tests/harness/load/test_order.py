"""What the generator is told, and how a key is given to it."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from harness import places
from harness.capabilities import Capabilities
from harness.contract import read_contract
from harness.errors import UserError
from harness.load.order import (
    Order,
    Reach,
    keys_for,
    paths_of,
    read_order,
    read_reach,
    secret_from,
)
from harness.policy import load_policy
from harness.secretly import write_secretly

REACH = Reach(
    base_url="https://127.0.0.1:8443",
    host="panotti.test",
    key="k" * 40,
    auth_header="X-API-Key",
    paths={"started": "/api/recording-started"},
)
ORDER = Order(reach=REACH, rate=10.0, for_s=2.0, keys=3)


def test_it_is_kept_for_this_user_alone(tmp_path: Path) -> None:
    write_secretly(ORDER, tmp_path / "order.json")
    write_secretly(REACH, tmp_path / "reach.json")

    assert stat.S_IMODE((tmp_path / "order.json").stat().st_mode) == 0o600
    assert read_order(tmp_path / "order.json") == ORDER
    assert read_reach(tmp_path / "reach.json") == REACH


def test_a_reach_that_is_gone_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        read_reach(tmp_path / "reach.json")
    assert "up again" in refused.value.remedy


@pytest.mark.parametrize("given", [{"rate": 0.0}, {"rate": -3.0}, {"for_s": 0.0}, {"rate": float("inf")}])
def test_a_rate_or_a_time_that_is_none_is_refused(given: dict[str, float]) -> None:
    with pytest.raises(UserError, match="above zero"):
        replace(ORDER, **given)  # type: ignore[arg-type]


def test_paths_are_those_that_the_contract_names() -> None:
    contract = read_contract(places.CONTRACT)
    without = replace(contract, capabilities=replace(contract.capabilities, administration=None))

    assert paths_of(contract)["keys"] == "/admin/api-keys"
    assert "keys" not in paths_of(without)
    assert paths_of(replace(contract, capabilities=Capabilities())) == {}


def test_a_rate_is_spread_so_that_half_of_each_keys_quota_is_left() -> None:
    policy = load_policy("production")  # 100 in 5 s: 20 a second

    assert keys_for(80.0, policy) == 8
    assert keys_for(1.0, policy) == 2


class TestAKeyInAFile:
    def test_it_is_the_one_word_in_it(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.write_text("the-key\n")
        path.chmod(0o600)

        assert secret_from(path) == "the-key"

    @pytest.mark.parametrize(
        ("content", "mode", "told"),
        [("key", 0o644, "others"), ("", 0o600, "not one key"), ("two words", 0o600, "not one key")],
    )
    def test_anything_else_is_refused(self, tmp_path: Path, content: str, mode: int, told: str) -> None:
        path = tmp_path / "key"
        path.write_text(content)
        path.chmod(mode)

        with pytest.raises(UserError, match=told):
            secret_from(path)

    def test_so_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="absent"):
            secret_from(tmp_path / "absent")
