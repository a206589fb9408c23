"""What is tested: the reference server, a user's image, a source folder, or a URL; each with its contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness import places
from harness.contract import Contract, read_contract
from harness.errors import ContractError

CONTRACT_NAME = "contract.toml"
_FORMS = "reference, image:NAME, source:FOLDER, or a URL such as https://127.0.0.1:8443"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The reference PanottiServer of this project."""

    contract: Contract
    label: str = "reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A user's image."""

    name: str
    contract: Contract

    @property
    def label(self) -> str:
        return f"image:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A folder with an ASGI application and its requirements."""

    folder: Path
    contract: Contract

    @property
    def label(self) -> str:
        return f"source:{self.folder.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server that is up already."""

    url: str
    contract: Contract

    @property
    def label(self) -> str:
        return self.url


Target = Reference | Image | Source | Address


def parse_target(text: str, contract_file: Path | None = None) -> Target:
    """Return the target that `text` names: reference, image:NAME, source:FOLDER or a URL.

    Raises `ContractError` when it is none of these, or when its contract is missing or wrong.
    """
    kind, _, rest = text.partition(":")
    match kind:
        case "reference" if not rest:
            return Reference(contract=read_contract(contract_file or places.CONTRACT))
        case "image" if rest:
            return Image(name=rest, contract=_given(text, contract_file))
        case "source" if rest:
            return _source(Path(rest), contract_file)
        case "http" | "https":
            return Address(url=_checked_url(text), contract=_given(text, contract_file))
        case _:
            raise ContractError(f'"{text}" is not a target', remedy=f"Give {_FORMS}.")


def _source(folder: Path, contract_file: Path | None) -> Source:
    if not folder.is_dir():
        raise ContractError(
            f"source:{folder}: there is no such folder", remedy="Give the application's folder."
        )
    if not (folder / "requirements.txt").is_file():
        raise ContractError(
            f"source:{folder}: it has no requirements.txt", remedy="List the application's packages there."
        )
    beside = folder / CONTRACT_NAME
    contract = _given(f"source:{folder}", contract_file or (beside if beside.is_file() else None))
    if not contract.launch.app and not contract.launch.command:
        raise ContractError(
            f"source:{folder}: its contract does not say how to start it",
            remedy='Add [launch] app = "module:attribute" (or command = [...]) to the contract file.',
        )
    return Source(folder=folder.resolve(), contract=contract)


def _given(label: str, contract_file: Path | None) -> Contract:
    if contract_file is None:
        raise ContractError(
            f"{label}: no contract file says where its capabilities are",
            remedy="Give one with --contract FILE; deploy/contract.toml is an example.",
        )
    return read_contract(contract_file)


def _checked_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        bad = not parts.hostname or parts.username or parts.query or parts.fragment or parts.port == 0
    except ValueError:
        bad = True
    if bad:
        raise ContractError(
            f'"{text}" is not the URL of a server',
            remedy="Give scheme, host and port: https://127.0.0.1:8443",
        )
    return text.rstrip("/")
