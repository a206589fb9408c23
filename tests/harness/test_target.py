"""What a target's text means, and what is said when it means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ContractError
from harness.target import Address, Image, Reference, Source, parse_target


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text('name = "mine"\n[launch]\napp = "app:app"', encoding="utf-8")
    return path


def test_the_reference_brings_its_own_contract() -> None:
    target = parse_target("reference")

    assert isinstance(target, Reference)
    assert target.contract.http.host == "panotti.test"


def test_an_image_keeps_its_tag(contract: Path) -> None:
    target = parse_target("image:registry.test:5000/mine:2", contract)

    assert isinstance(target, Image)
    assert target.name == "registry.test:5000/mine:2"
    assert target.label == "image:registry.test:5000/mine:2"


@pytest.mark.parametrize("url", ["https://127.0.0.1:8443/", "http://localhost:8000"])
def test_a_url_is_an_address(contract: Path, url: str) -> None:
    target = parse_target(url, contract)

    assert isinstance(target, Address)
    assert target.label == target.url == url.rstrip("/")


def test_a_source_folder_may_hold_its_contract(tmp_path: Path, contract: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    contract.rename(tmp_path / "contract.toml")

    target = parse_target(f"source:{tmp_path}")

    assert isinstance(target, Source)
    assert target.folder == tmp_path.resolve()
    assert target.label == f"source:{tmp_path.name}"


@pytest.mark.parametrize("text", ["", "nonsense", "image:", "source:", "reference:x", "ftp://127.0.0.1"])
def test_anything_else_is_no_target(contract: Path, text: str) -> None:
    with pytest.raises(ContractError, match="is not a target") as refusal:
        parse_target(text, contract)

    assert "source:FOLDER" in str(refusal.value)


@pytest.mark.parametrize("url", ["https://", "http://u:p@127.0.0.1", "http://h:99999", "http://h/?q=1"])
def test_half_a_url_is_refused(contract: Path, url: str) -> None:
    with pytest.raises(ContractError, match="not the URL of a server"):
        parse_target(url, contract)


def test_a_missing_contract_is_asked_for() -> None:
    with pytest.raises(ContractError, match="--contract FILE"):
        parse_target("image:mine")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no such folder"):
        parse_target(f"source:{tmp_path}/none")


def test_a_folder_without_requirements_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"requirements\.txt"):
        parse_target(f"source:{tmp_path}")


def test_a_folder_that_does_not_say_how_to_start_is_refused(tmp_path: Path, contract: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    contract.write_text('name = "mine"', encoding="utf-8")

    with pytest.raises(ContractError, match="how to start"):
        parse_target(f"source:{tmp_path}", contract)
